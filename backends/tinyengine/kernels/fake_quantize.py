"""fake_quantize."""

import math

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.axes import axis_of
from gradlet.ir.graph import Node
from gradlet.ir.ops.fake_quantize import limits

_C = beside(__file__)


def _fake_quantize(node: Node) -> Call:
    (x, scale), (y, *mask), shape = node.inputs, node.outputs, node.outputs[0].type.shape
    sizes = (1, 1, y.type.size)
    if "axis" in node.attrs:
        axis = axis_of(node.attrs, len(shape))
        sizes = (math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]))
    return call("fake_quantize_f32", y, mask[0] if mask else None, x, scale, *sizes, *limits(node.attrs))


KERNELS = {"fake_quantize": Kernel(_C, _fake_quantize)}

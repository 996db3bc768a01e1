"""qprelu and its gradient."""

import numpy as np

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.loops import pair_loops
from gradlet.ir.graph import Attrs, Node
from gradlet.ir.ops.qprelu import factors
from gradlet.ir.requantize import ROUNDINGS, quantize_multiplier, rounding
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _floats(attrs: Attrs) -> list[float]:
    return [float(np.float32(f)) for f in factors(attrs)]


def _qprelu(node: Node) -> Call:
    (y, *mask), (x, slope), attrs = node.outputs, node.inputs, node.attrs
    zeros = attrs["x1_zero"], attrs["x2_zero"], attrs["y_zero"]
    fixed = tuple(n for f in factors(attrs) for n in quantize_multiplier(f))
    operands = [y, mask[0] if mask else None, x, slope, y.type.size, pair_loops(x, slope, y)]
    return call("qprelu_i8", *operands, zeros, *_floats(attrs), fixed, ROUNDINGS.index(rounding(attrs)))


def _qprelu_grad(node: Node) -> Call:
    (g, x, slope), (dx,), attrs = node.inputs, node.outputs, node.attrs
    zeros, axes = (attrs["x1_zero"], attrs["x2_zero"]), pair_loops(x, slope, dx)
    return call("qprelu_grad_i8", dx, g, x, slope, axes, *zeros, *_floats(attrs), attrs["of"])


KERNELS = {"qprelu": Kernel(_C, _qprelu, dtypes=(DType.I8,)), "qprelu_grad": Kernel(_C, _qprelu_grad)}

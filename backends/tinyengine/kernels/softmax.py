"""softmax, log_softmax and their gradients."""

import math

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.axes import axis_of
from gradlet.ir.graph import Node

_C = beside(__file__)


def _softmax(node: Node) -> Call:
    shape = node.outputs[0].type.shape
    axis = axis_of(node.attrs, len(shape), default=-1)
    seen_as = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
    return call(f"{node.op}_f32", node.outputs[0], *node.inputs, *seen_as)


KERNELS = dict.fromkeys(("softmax", "log_softmax", "softmax_grad", "log_softmax_grad"), Kernel(_C, _softmax))

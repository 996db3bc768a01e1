"""softmax_cross_entropy and its gradient, ordered or not: elementary.h computes what ir/exact_math.py does."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node

_C = beside(__file__)


def _loss(node: Node) -> Call:
    return call("softmax_cross_entropy_f32", node.outputs[0], *node.inputs, *node.inputs[0].type.shape)


def _grad(node: Node) -> Call:
    return call("softmax_cross_entropy_grad_f32", node.outputs[0], *node.inputs, *node.inputs[0].type.shape)


KERNELS = {
    "softmax_cross_entropy": Kernel(_C, _loss),
    "softmax_cross_entropy_grad": Kernel(_C, _grad),
    "ordered_softmax_cross_entropy": Kernel(_C, _loss),
    "ordered_softmax_cross_entropy_grad": Kernel(_C, _grad),
}

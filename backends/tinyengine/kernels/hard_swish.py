"""hard_swish and its gradient."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node

_C = beside(__file__)


def _forward(node: Node) -> Call:
    return call("hard_swish_f32", node.outputs[0], node.inputs[0], node.outputs[0].type.size)


def _gradient(node: Node) -> Call:
    return call("hard_swish_grad_f32", node.outputs[0], *node.inputs, node.outputs[0].type.size)


KERNELS = {"hard_swish": Kernel(_C, _forward), "hard_swish_grad": Kernel(_C, _gradient)}

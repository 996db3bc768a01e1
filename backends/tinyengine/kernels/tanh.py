"""tanh and its gradient."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node

_C = beside(__file__)


def _forward(node: Node) -> Call:
    return call("tanh_all_f32", node.outputs[0], node.inputs[0], node.outputs[0].type.size)


def _gradient(node: Node) -> Call:
    return call("tanh_grad_f32", node.outputs[0], *node.inputs, node.outputs[0].type.size)


KERNELS = {"tanh": Kernel(_C, _forward), "tanh_grad": Kernel(_C, _gradient)}

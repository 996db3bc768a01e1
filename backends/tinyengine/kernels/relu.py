"""relu and its gradient."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node

_C = beside(__file__)


def _relu(node: Node) -> Call:
    return call("relu_f32", node.outputs[0], node.inputs[0], node.outputs[0].type.size)


def _relu_grad(node: Node) -> Call:
    return call("relu_grad_f32", node.outputs[0], *node.inputs, node.outputs[0].type.size)


KERNELS = {"relu": Kernel(_C, _relu), "relu_grad": Kernel(_C, _relu_grad)}

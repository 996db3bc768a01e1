"""mse and its gradient."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node

_C = beside(__file__)


def _mse(node: Node) -> Call:
    return call(f"{node.op}_f32", node.outputs[0], *node.inputs, node.inputs[0].type.size)


KERNELS = {"mse": Kernel(_C, _mse), "mse_grad": Kernel(_C, _mse)}

"""elu and its gradient."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node

_C = beside(__file__)


def _call(node: Node) -> Call:
    (y,) = node.outputs
    return call(f"{node.op}_f32", y, *node.inputs, y.type.size, float(node.attrs["alpha"]))


KERNELS = {"elu": Kernel(_C, _call), "elu_grad": Kernel(_C, _call)}

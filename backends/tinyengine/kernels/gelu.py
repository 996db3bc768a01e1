"""gelu and its gradient."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node

_C = beside(__file__)


def _call(node: Node) -> Call:
    (y,) = node.outputs
    return call(f"{node.op}_f32", y, *node.inputs, y.type.size, bool(node.attrs.get("approximate", False)))


KERNELS = {"gelu": Kernel(_C, _call), "gelu_grad": Kernel(_C, _call)}

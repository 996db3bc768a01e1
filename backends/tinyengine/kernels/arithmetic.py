"""add, sub, mul and div, with broadcasting."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.loops import pair_loops
from gradlet.ir.graph import Node
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _f32(node: Node) -> Call:
    (a, b), (y,) = node.inputs, node.outputs
    if a.type.size == b.type.size == y.type.size:
        return call(f"{node.op}_f32", y, a, b, y.type.size)
    return _broadcast(node, "f32")


def _broadcast(node: Node, suffix: str) -> Call:
    (a, b), (y,) = node.inputs, node.outputs
    return call(f"{node.op}_broadcast_{suffix}", y, a, b, pair_loops(a, b, y))


_FLOAT = Kernel(_C, _f32)
_INTEGER = Kernel(_C, lambda node: _broadcast(node, "i32"), "integer", (DType.I32,))

KERNELS = {
    "add": (_FLOAT, _INTEGER),
    "sub": (_FLOAT, _INTEGER),
    "mul": (_FLOAT, _INTEGER),
    "div": _FLOAT,
}

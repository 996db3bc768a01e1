"""full: a constant."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node
from gradlet.ir.tensor_type import DType

_SUFFIX = {
    DType.F32: "f32",
    DType.I8: "i8",
    DType.U8: "u8",
    DType.I16: "i16",
    DType.I32: "i32",
    DType.B1: "b1",
}


def _full(node: Node) -> Call:
    (y,) = node.outputs
    number = float if y.type.dtype is DType.F32 else int
    return call(f"full_{_SUFFIX[y.type.dtype]}", y, y.type.size, number(node.attrs["value"]))


KERNELS = {"full": Kernel(beside(__file__), _full, dtypes=tuple(_SUFFIX))}

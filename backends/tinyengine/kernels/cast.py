"""cast among float32, masks and integers of up to 32 bits."""

import numpy as np

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node
from gradlet.ir.target import Target
from gradlet.ir.tensor_type import DType

_INTEGERS = (DType.I8, DType.U8, DType.I16, DType.I32)
_TYPES = (DType.F32, DType.B1, *_INTEGERS)


def _bytes(dtype: DType) -> int:
    return dtype.bits // 8


def _cast(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    source, to, n = x.type.dtype, y.type.dtype, y.type.size
    if source is to:
        return call("cast_same", y, x, x.type.bytes)
    if source in _INTEGERS:
        return _from_integer(node)
    if to is DType.B1:
        return call("cast_f32_b1", y, x, n)
    if source is DType.B1:
        return call("cast_b1_f32", y, x, n) if to is DType.F32 else call("cast_b1_integer", y, x, n, _bytes(to))
    limits = np.iinfo(to.value)
    return call("cast_f32_integer", y, x, n, _bytes(to), int(limits.min), int(limits.max))


def _from_integer(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    source, to, n = x.type.dtype, y.type.dtype, y.type.size
    if to is DType.B1:
        return call("cast_integer_b1", y, x, n, _bytes(source))
    integer = (_bytes(source), source is not DType.U8)
    if to is DType.F32:
        return call("cast_integer_f32", y, x, n, *integer)
    return call("cast_integer_integer", y, x, n, _bytes(to), *integer)


def _applies(node: Node, target: Target) -> bool:
    return node.outputs[0].type.dtype in _TYPES


KERNELS = {"cast": Kernel(beside(__file__), _cast, dtypes=_TYPES, applies=_applies)}

"""Tensors made from numbers."""

from collections.abc import Sequence
from typing import Any

from gradlet.frontends.pytorch.builder import Builder, Operand, UnsupportedError
from gradlet.frontends.pytorch.tensor import Tensor, natural
from gradlet.ir.tensor_type import DType


def full(b: Builder, size: Sequence[int], value: float, dtype: Any = None, **_: Any) -> Tensor:
    wanted = "float32" if dtype is None else str(dtype).removeprefix("torch.")
    if wanted not in [t.value for t in DType if t.is_float]:
        raise UnsupportedError(f"elements of type {wanted}")
    return b.laid(b.full(value, tuple(size), DType(wanted)), natural(len(size)))


def full_like(b: Builder, x: Operand, value: float, dtype: Any = None, **_: Any) -> Tensor:
    return new_full(b, x, x.shape, value, dtype)


def new_full(b: Builder, x: Operand, size: Sequence[int], value: float, dtype: Any = None, **_: Any) -> Tensor:
    return full(b, size, value, dtype or b.tensor(x).value.type.dtype.value)


CONVERTERS = {
    "aten.full.default": full,
    "aten.zeros.default": lambda b, size, **options: full(b, size, 0, **options),
    "aten.ones.default": lambda b, size, **options: full(b, size, 1, **options),
    "aten.new_full.default": new_full,
    "aten.new_zeros.default": lambda b, x, size, **options: new_full(b, x, size, 0, **options),
    "aten.new_ones.default": lambda b, x, size, **options: new_full(b, x, size, 1, **options),
    "aten.scalar_tensor.default": lambda b, value, **options: full(b, (), value, **options),
    "aten.full_like.default": full_like,
    "aten.zeros_like.default": lambda b, x, **options: full_like(b, x, 0, **options),
    "aten.ones_like.default": lambda b, x, **options: full_like(b, x, 1, **options),
    "aten.sym_size.int": lambda b, x, dim: x.shape[dim],
}

"""Masks as they lie in memory, one bit an element: element 8k + i is bit i of byte k."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from gradlet.backends.tvm.package import te, tirx


def flat_index(indices: Sequence[Any], shape: Sequence[int]) -> Any:
    """The row-major number of an element."""
    flat: Any = tirx.const(0, "int32")
    for index, size in zip(indices, shape, strict=True):
        flat = flat * size + index
    return flat


def indices_of(flat: Any, shape: Sequence[int]) -> list[Any]:
    """The indices of the element with this row-major number."""
    indices: list[Any] = []
    for size in reversed(shape):
        indices.insert(0, flat % size if len(indices) + 1 < len(shape) else flat)
        flat = flat // size
    return indices


def read_bits(packed: Any, shape: Sequence[int]) -> Callable[..., Any]:
    """A mask as a function of its indices."""

    def read(*indices: Any) -> Any:
        flat = flat_index(indices, shape)
        byte = packed(flat // 8).astype("int32")
        return tirx.bitwise_and(tirx.shift_right(byte, flat % 8), 1) != 0

    return read


def pack_bits(mask: Callable[..., Any], shape: Sequence[int]) -> Any:
    """The bytes of a mask that is given as a function of its indices."""
    size = math.prod(shape)

    def byte(k: Any) -> Any:
        return sum(_bit(mask, shape, size, k, i) for i in range(8)).astype("uint8")

    return te.compute((-(-size // 8),), byte, name="bits")


def _bit(mask: Callable[..., Any], shape: Sequence[int], size: int, k: Any, i: int) -> Any:
    flat = k * 8 + i
    bit = tirx.shift_left(mask(*indices_of(flat, shape)).astype("int32"), i)
    return bit if size % 8 == 0 else tirx.if_then_else(flat < size, bit, 0)

"""Types of the values that flow through a graph."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


class DType(enum.Enum):
    """Element types; the value is the name in the printed form."""

    F32 = "float32"
    F16 = "float16"
    BF16 = "bfloat16"
    I8 = "int8"
    U8 = "uint8"
    I16 = "int16"
    I32 = "int32"
    I64 = "int64"
    B1 = "b1"

    @property
    def bits(self) -> int:
        """Bits an element takes on a device; masks (`b1`) are packed eight to a byte."""
        return 1 if self is DType.B1 else int(self.numpy.itemsize) * 8

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The numpy type that evaluation uses; `b1` is `bool` there."""
        if self is DType.BF16:
            import ml_dtypes

            bfloat16: np.dtype[np.generic] = np.dtype(ml_dtypes.bfloat16)
            return bfloat16
        return np.dtype("bool" if self is DType.B1 else self.value)

    @property
    def is_float(self) -> bool:
        return self in (DType.F32, DType.F16, DType.BF16)


def dtype_of(array: np.ndarray) -> DType:
    """The element type of a numpy array; `KeyError` names one the IR does not have."""
    return DType("b1" if array.dtype == np.bool_ else array.dtype.name)


@dataclass(frozen=True)
class QuantParams:
    """real = scale * (stored - zero_point), per tensor (one entry) or per slice along `axis`."""

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int | None = None

    def taken(self, indices: Sequence[int], axis: int) -> QuantParams:
        """Those of a tensor that consists of these slices along an axis."""
        if axis != self.axis:
            return self
        scale = self.scale if len(self.scale) == 1 else tuple(self.scale[k] for k in indices)
        zero_point = self.zero_point if len(self.zero_point) == 1 else tuple(self.zero_point[k] for k in indices)
        return QuantParams(scale, zero_point, axis)


@dataclass(frozen=True)
class TensorType:
    """Element type, static shape and, for integers, their meaning."""

    dtype: DType
    shape: tuple[int, ...]
    quant: QuantParams | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes of storage on a device, without alignment."""
        return -(-self.size * self.dtype.bits // 8)

    def with_shape(self, *shape: int) -> TensorType:
        return TensorType(self.dtype, shape, self.quant)

    def taken(self, indices: Sequence[int], axis: int) -> TensorType:
        """The type of `array.take(indices, axis)`."""
        shape = (*self.shape[:axis], len(indices), *self.shape[axis + 1 :])
        return TensorType(self.dtype, shape, self.quant and self.quant.taken(indices, axis))

    def __str__(self) -> str:
        short = {DType.B1: "b1", DType.BF16: "bf16"}.get(self.dtype, f"{self.dtype.value[0]}{self.dtype.bits}")
        return f"{short}[{','.join(map(str, self.shape))}]"


def f32(*shape: int) -> TensorType:
    return TensorType(DType.F32, shape)


def i32(*shape: int) -> TensorType:
    return TensorType(DType.I32, shape)


def b1(*shape: int) -> TensorType:
    return TensorType(DType.B1, shape)

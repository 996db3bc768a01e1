"""Inputs for the examples of ops on quantised tensors: whole ranges of integers, scales that fit them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradlet.ir.gradient_epilogue import RANGE
from gradlet.ir.op_def import Sampler
from gradlet.ir.requantize import quantize_multipliers
from gradlet.ir.tensor_type import DType, QuantParams, TensorType, f32


def i8(*shape: int) -> TensorType:
    return TensorType(DType.I8, shape)


def i16(*shape: int) -> TensorType:
    return TensorType(DType.I16, shape)


def q8(*shape: int, zero: int = 0) -> TensorType:
    """A quantised tensor: what has a gradient though it holds integers."""
    return TensorType(DType.I8, shape, QuantParams((0.05,), (zero,)))


def q16(*shape: int) -> TensorType:
    """The same in int16, whose zero point is 0."""
    return TensorType(DType.I16, shape, QuantParams((0.0002,), (0,)))


def q_bias(channels: int) -> TensorType:
    return TensorType(DType.I32, (channels,), QuantParams((0.05,), (0,)))


def integers(scale: float = 0.01, range_: Sequence[float] = (0.0, 1.0)) -> Sampler:
    """int8 and int16 of their whole range, int32 in the thousands, masks, normal floats.

    `scale` is about what f32[C] and multipliers i32[C, 2] hold; every range f32[2] is `range_`.
    """

    def draw(t: TensorType, rng: np.random.Generator) -> np.ndarray:
        if t == RANGE:
            return np.array(range_, np.float32)
        if t.dtype is DType.F32:
            return _floats(t.shape, scale, rng)
        if t.dtype is DType.I32 and t.shape[1:] == (2,):
            return quantize_multipliers((scale * rng.uniform(0.5, 2, t.shape[0])).tolist())
        low, high = {DType.I8: (-128, 128), DType.I16: (-32767, 32768), DType.B1: (0, 2)}.get(t.dtype, (-4000, 4000))
        return rng.integers(low, high, t.shape).astype(t.dtype.numpy)

    def sample(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
        return [draw(t, rng) for t in types]

    return sample


def distinct(t: TensorType, rng: np.random.Generator) -> np.ndarray:
    """Integers all over the range of a type, no two of them equal."""
    low, high = np.iinfo(t.dtype.value).min, np.iinfo(t.dtype.value).max
    return rng.permutation(np.arange(low, high + 1))[: t.size].reshape(t.shape).astype(t.dtype.numpy)


def with_scalars(lr: float, *counters: int) -> Sampler:
    """For updates: the learning rate, the counters in their order, and integers for all else."""

    def sample(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
        counts, drawn = iter(counters), integers(1.0, (60.0, 0.5))(types, rng)
        scalars = (
            np.array(lr, np.float32) if t == f32() else np.array(next(counts), np.int32) for t in types if not t.shape
        )
        return [next(scalars) if t.shape == () else a for t, a in zip(types, drawn, strict=True)]

    return sample


def _floats(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> np.ndarray:
    """Gradients of any shape but one axis, which is that of a scale for each channel.

    Gradients are multiples of 1 / 64, so that sums of their products with integers are exact in any order.
    """
    drawn = scale * rng.uniform(0.5, 2, shape) if len(shape) == 1 else np.rint(64 * rng.normal(size=shape)) / 64
    return drawn.astype(np.float32)

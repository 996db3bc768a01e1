"""From ranges to scales and zero points of activations, and to those of weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradlet.ir.activations import bounds
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Node, Value
from gradlet.ir.requantize import DTYPES, HIGHEST, LOWEST, ends
from gradlet.ir.tensor_type import DType
from gradlet.optimizers.quantization.ranges import Range
from gradlet.optimizers.quantization.rule import clamp_of

# A channel's weights are no finer than this part of the largest channel's: what that loses is far below one step of
# the result, which all channels share, and a scale near 0 would make steps of training that no float step is.
_FINEST = 2.0**-10
# Of int32 biases, so that sums have room beside them.
_LARGEST_BIAS = 2**30


@dataclass(frozen=True)
class Quantization:
    """real = scale * (stored - zero_point)."""

    scale: float
    zero_point: int
    bits: int = 8

    @property
    def dtype(self) -> DType:
        return DTYPES[self.bits]

    @property
    def _ends(self) -> tuple[int, int]:
        return ends({"bits": self.bits})

    @property
    def interval(self) -> Range:
        """The smallest and the largest number that the integers can say."""
        low, high = self._ends
        return (low - self.zero_point) * self.scale, (high - self.zero_point) * self.scale

    def ends_at(self, low: float, high: float) -> bool:
        """Whether clamping to these ends, too, would change nothing but what rounding does."""
        lowest, highest = self.interval
        return low <= lowest + self.scale / 2 and high >= highest - self.scale / 2

    def stored(self, real: np.ndarray) -> np.ndarray:
        """int8 or int16, as `quantize` rounds."""
        steps = np.rint(real / real.dtype.type(self.scale)) + self.zero_point
        stored: np.ndarray = np.clip(steps, *self._ends).astype(self.dtype.numpy)
        return stored

    def real(self, stored: np.ndarray) -> np.ndarray:
        """float32."""
        real: np.ndarray = (stored.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)
        return real


def of_range(range_: Range, symmetric: bool, bits: int = 8) -> Quantization:
    """For numbers from low <= 0 to high >= 0, of which one is not 0; 0 itself is always exact."""
    low, high = range_
    assert low <= 0 <= high and low < high, range_
    if symmetric:
        return Quantization(float(np.float32(max(-low, high) / (2 ** (bits - 1) - 1))), 0, bits)
    scale = float(np.float32((high - low) / (HIGHEST - LOWEST)))
    return Quantization(scale, int(np.clip(np.rint(LOWEST - low / scale), LOWEST, HIGHEST)))


def limited(range_: Range, value: Value) -> Range:
    """The part of a range that lies where the activation of its op, if it has one, lets numbers through.

    Raises:
        CompileError: GL241 if nothing but 0 is left.
    """
    lowest, highest = limits(value.producer)
    low, high = max(range_[0], min(lowest, 0.0)), min(range_[1], max(highest, 0.0))
    if not low < high or not math.isfinite(high - low):
        place = (value.producer.loc if value.producer else "") or str(value)
        what = f"{value} has no range: from {low:g} to {high:g} for the samples"
        raise CompileError("GL241", what, place, "calibrate with more samples, or choose other ranges, e.g. minmax")
    return low, high


def limits(node: Node | None) -> Range:
    """The interval that an op clamps to itself."""
    clamp = clamp_of(node) if node else None
    return clamp or (bounds(node.attrs) if node else bounds({}))


def weight_scales(
    weight: np.ndarray, axis: int, bias: np.ndarray | None, x_scale: float, per_tensor: bool
) -> np.ndarray:
    """float64[O], scales of the slices along an axis: the largest weight becomes 127, every bias fits into int32."""
    others = tuple(a for a in range(weight.ndim) if a != axis)
    largest = np.abs(weight).max(axis=others).astype(np.float64)
    whole = largest.max() or 1.0
    largest = np.full_like(largest, whole) if per_tensor else np.maximum(largest, whole * _FINEST)
    needed = np.zeros(1) if bias is None else np.abs(bias.astype(np.float64)) / (x_scale * _LARGEST_BIAS)
    scales: np.ndarray = np.maximum(largest / HIGHEST, needed.max() if per_tensor else needed)
    return scales

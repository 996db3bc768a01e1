"""Channels whose output never changes are given harmless numbers: training would shatter on their scales.

Some channels of published networks have died: weight scales near 0, biases at the end of int32. Quantisation-aware
scaling divides by the square of such a scale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradlet.ir.requantize import HIGHEST, LOWEST, quantize_multipliers, requantize, saturated

# A power of two, exact in every way to round; 256 / RATIO fits into int32, and exactly into float32.
RATIO = 2.0**-20


@dataclass(frozen=True, eq=False)
class Layer:
    """What an int8 layer computes with.

    Attributes:
        weight: int8.
        axis: That of the weight's O output channels.
        bias: int32[O].
        ratios: What the sums are multiplied by, float64[O].
        weight_scales: float64[O]; `harmless` makes it 0 for a channel that is constant.
        x_zero: Zero point of what it reads.
        y_zero: Zero point of what it makes.
        rounding: Of the products.
    """

    weight: np.ndarray
    axis: int
    bias: np.ndarray
    ratios: np.ndarray
    weight_scales: np.ndarray
    x_zero: int
    y_zero: int
    rounding: str

    @property
    def constant(self) -> np.ndarray:
        """bool[O]."""
        constant: np.ndarray = self.weight_scales == 0
        return constant


def harmless(layer: Layer) -> Layer:
    """The same function, with weight 0 in constant channels, whose biases alone make their outputs."""
    constant, sums = constant_channels(layer)
    dead = constant.reshape([-1 if axis == layer.axis else 1 for axis in range(layer.weight.ndim)])
    return replace(
        layer,
        weight=np.where(dead, np.int8(0), layer.weight),
        bias=np.where(constant, np.rint(sums / RATIO), layer.bias).astype(np.int32),
        ratios=np.where(constant, RATIO, layer.ratios),
        weight_scales=np.where(constant, 0.0, layer.weight_scales),
    )


def constant_channels(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """(bool[O], int64[O]): which channels are constant, and their outputs less the zero point, before the clamp.

    Rounding is monotonic: a channel is constant if its smallest sum gives what its largest gives. What the clamp
    changes stays outside of its range by one, so that no gradient passes.
    """
    scale = layer.ratios.astype(np.float32)
    multiplier = [] if layer.rounding == "float" else [quantize_multipliers(layer.ratios.tolist())]
    attrs = {"rounding": layer.rounding, "y_zero": layer.y_zero, "mask": True}
    y, inside = requantize(_extreme_sums(layer), scale, multiplier, attrs)
    low, high = y.astype(np.int64)
    outside = np.where(low == LOWEST, LOWEST - 1, HIGHEST + 1)
    return low == high, np.where(inside[0], low, outside) - layer.y_zero


def _extreme_sums(layer: Layer) -> np.ndarray:
    """The smallest and the largest sum of each channel over all inputs there can be, int64[2, O]; padding adds 0."""
    weight = np.moveaxis(layer.weight, layer.axis, 0).reshape(len(layer.bias), -1).astype(np.int64)
    ends = weight * (LOWEST - layer.x_zero), weight * (HIGHEST - layer.x_zero)
    sums = np.stack([np.minimum(*ends).sum(1), np.maximum(*ends).sum(1)])
    return saturated(sums + layer.bias)

"""Channels whose output never changes are given harmless numbers: training would shatter on their scales.

Some channels of the published networks have died: weight scales near 0, biases at the end of int32. Quantisation-aware
scaling divides by the square of such a scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlet.frontends.mcunet.checkpoint import Convolution
from gradlet.ir.requantize import HIGHEST, LOWEST, quantize_multipliers, requantize, saturated

# A power of two, exact in every way to round; 256 / RATIO fits into int32, and exactly into float32.
RATIO = 2.0**-20


@dataclass(frozen=True, eq=False)
class Numbers:
    """What a convolution computes with; every output is that of the checkpoint.

    Attributes:
        weight: int8, OIHW.
        bias: int32[O].
        ratios: What the sums are multiplied by, float64[O].
        weight_scales: float64[O], 0 for a channel that is constant.
    """

    weight: np.ndarray
    bias: np.ndarray
    ratios: np.ndarray
    weight_scales: np.ndarray

    @property
    def constant(self) -> np.ndarray:
        """bool[O]."""
        constant: np.ndarray = self.weight_scales == 0
        return constant


def harmless(conv: Convolution, rounding: str) -> Numbers:
    """The numbers of a convolution with weight 0 in constant channels, whose biases alone make their outputs."""
    constant, sums = constant_channels(conv, rounding)
    weight = np.where(constant[:, None, None, None], np.int8(0), conv.weight)
    bias = np.where(constant, np.rint(sums / RATIO), conv.bias).astype(np.int32)
    return Numbers(weight, bias, np.where(constant, RATIO, conv.ratios), np.where(constant, 0.0, conv.weight_scales))


def constant_channels(conv: Convolution, rounding: str) -> tuple[np.ndarray, np.ndarray]:
    """(bool[O], int64[O]): which channels are constant, and their outputs less the zero point, before the clamp.

    Rounding is monotonic: a channel is constant if its smallest sum gives what its largest gives. What the clamp
    changes stays outside of its range by one, so that no gradient passes.
    """
    scale = conv.ratios.astype(np.float32)
    multiplier = [] if rounding == "float" else [quantize_multipliers(conv.ratios.tolist())]
    y, inside = requantize(_extreme_sums(conv), scale, multiplier, {"rounding": rounding, "y_zero": conv.y.zero})
    low, high = y.astype(np.int64)
    outside = np.where(low == LOWEST, LOWEST - 1, HIGHEST + 1)
    return low == high, np.where(inside[0], low, outside) - conv.y.zero


def _extreme_sums(conv: Convolution) -> np.ndarray:
    """The smallest and the largest sum of each channel over all inputs there can be, int64[2, O]; padding adds 0."""
    weight = conv.weight.reshape(len(conv.weight), -1).astype(np.int64)
    ends = weight * (LOWEST - conv.x.zero), weight * (HIGHEST - conv.x.zero)
    sums = np.stack([np.minimum(*ends).sum(1), np.maximum(*ends).sum(1)])
    return saturated(sums + conv.bias)

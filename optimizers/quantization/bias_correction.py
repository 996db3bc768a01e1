"""Takes the mean error that quantised weights and inputs make out of a layer's bias."""

from __future__ import annotations

import numpy as np

_INT32 = np.iinfo(np.int32)


def channel_mean(sums: np.ndarray) -> np.ndarray:
    """float64[C]: the mean over all axes but the last."""
    mean: np.ndarray = sums.mean(axis=tuple(range(sums.ndim - 1)), dtype=np.float64)
    return mean


def corrected(bias: np.ndarray, unit: np.ndarray, wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    """i32[C]: the bias with which the mean of each channel is what it should be, within half a unit.

    M. Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction (ICCV 2019), section 4.2,
    the means measured on samples. The rounding errors of the few weights of a channel do not cancel: what they shift
    all sums by costs nothing to take out.

    Args:
        bias: i32[C], that of the layer so far.
        unit: float[C], what 1 of the bias is worth: scale of the input times scale of the channel's weights; 0 where a
            channel is constant, which is left as it is.
        wanted: float64[C], means of the float layer's sums, bias included, before its activation.
        found: float64[C], the same of the quantised layer for the same samples, in real units.
    """
    safe = np.where(unit > 0, unit, 1)
    shift = np.where(unit > 0, np.rint((wanted - found) / safe), 0)
    integers: np.ndarray = np.clip(bias + shift, _INT32.min, _INT32.max).astype(np.int32)
    return integers

"""exp and log in float32 as every target computes them, bit for bit: a fixed order of operations, each rounded once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Fitted at Chebyshev nodes; highest power first.
EXP = (1.3934545e-3, 8.363777e-3, 4.1666456e-2, 1.6666573e-1, 0.5)
LOG = (
    *(7.149754e-2, -1.1571201e-1, 1.1661511e-1, -1.24110505e-1, 1.4249937e-1),
    *(-1.666848e-1, 2.0000708e-1, -2.499999e-1, 3.333333e-1),
)
# ln 2 = LN2_HIGH + LN2_LOW, the first with few bits, so that a multiple of it is exact.
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)


def exp(x: np.ndarray) -> np.ndarray:
    """exp(x) for x <= 0, error below 1.1 units in the last place; float64 is computed by numpy."""
    if x.dtype == np.float64:
        precise: np.ndarray = np.exp(x)
        return precise
    f = np.float32
    lost, given = (x < f(-103.98)) | np.isnan(x), x
    x = np.where(lost, f(0), x)
    n = (x * f(1.442695041) - f(0.5)).astype(np.int32)
    r = (x - n.astype(f) * LN2_HIGH) - n.astype(f) * LN2_LOW
    y = _horner(EXP, r) * r * r + r + f(1)
    half = -(-n // 2)  # towards zero, as C divides
    return np.where(np.isnan(given), given, np.where(lost, f(0), _scaled(_scaled(y, half), n - half)))


def log(x: np.ndarray) -> np.ndarray:
    """log(x) for normal x > 0, error below 0.9 units in the last place; float64 is computed by numpy."""
    if x.dtype == np.float64:
        precise: np.ndarray = np.log(x)
        return precise
    f = np.float32
    fraction, n = np.frexp(x)
    fraction, n = fraction * f(2), n - 1  # in [1, 2)
    above = fraction > f(1.41421356)
    fraction, n = np.where(above, fraction * f(0.5), fraction), (n + above).astype(f)
    t = fraction - f(1)
    small = _horner(LOG, t) * t * t * t + n * LN2_LOW - f(0.5) * t * t
    total: np.ndarray = t + small + n * LN2_HIGH
    return total


def ordered_sum(terms: np.ndarray, axis: int) -> np.ndarray:
    """The sum in the order of the index, each partial sum rounded."""
    total: np.ndarray = np.add.accumulate(terms, axis=axis).take(-1, axis=axis)
    return total


def _horner(coefficients: Sequence[float], x: np.ndarray) -> np.ndarray:
    value = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        value = value * x + np.float32(c)
    return value


def _scaled(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """x * 2^n."""
    power = ((n + 127).astype(np.uint32) << np.uint32(23)).view(np.float32)
    return x * power

"""From int32 sums to int8: the three ways to round, and the mask of what the clamp lets through."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradlet.ir.graph import Attrs
from gradlet.ir.tensor_type import DType, TensorType

ROUNDINGS = ("float", "double_rounding", "single_rounding")
LOWEST, HIGHEST = -128, 127
_INT32 = np.iinfo(np.int32)


def rounding(attrs: Attrs) -> str:
    """How an op rounds; raises ValueError for a way that does not exist."""
    kind = str(attrs.get("rounding", ROUNDINGS[0]))
    if kind not in ROUNDINGS:
        raise ValueError(f"rounding {kind!r} is none of {', '.join(ROUNDINGS)}")
    return kind


def check_zero_points(attrs: Attrs, *names: str) -> None:
    for name in names:
        if not isinstance(attrs.get(name), int) or not LOWEST <= attrs[name] <= HIGHEST:
            raise ValueError(f"{name} is {attrs.get(name)}, not an int8")


def check_scales(attrs: Attrs, *names: str) -> None:
    for name in names:
        if not isinstance(attrs.get(name), float) or not 0 < attrs[name] < math.inf:
            raise ValueError(f"{name} is {attrs.get(name)}, not a number above 0")


def check_quantized(type_: TensorType, name: str) -> None:
    if type_.dtype is not DType.I8:
        raise ValueError(f"{name} {type_} is not i8")


def clamped(r: np.ndarray, zero: int) -> tuple[np.ndarray, np.ndarray]:
    """(r + zero as int8, whether it was in range); `r` holds integers, or is float64 for the surrogate's sake."""
    inside = (r >= LOWEST - zero) & (r <= HIGHEST - zero)
    return np.clip(r, LOWEST - zero, HIGHEST - zero) + zero, inside


def requantize(
    sums: np.ndarray, scale: np.ndarray, multiplier: Sequence[np.ndarray], attrs: Attrs
) -> tuple[np.ndarray, np.ndarray]:
    """(int8, mask) of sums int64[..., C] times scale[C]; the straight-through surrogate of sums float64.

    Args:
        sums: Within int32.
        scale: f32[C].
        multiplier: i32[C, 2] where the attribute `rounding` is one of the fixed-point kinds, else nothing.
        attrs: rounding, y_zero.
    """
    if sums.dtype.kind == "f":
        return clamped(sums * scale, attrs["y_zero"])
    kind = rounding(attrs)
    if kind == "float":
        # Integers are those of the device where the executor computes floats in double precision.
        r = np.rint(sums.astype(np.float32) * scale.astype(np.float32))
    else:
        r = multiply_fixed(sums, multiplier[0][:, 0], multiplier[0][:, 1], kind)
    y, inside = clamped(r, attrs["y_zero"])
    return y.astype(np.int8), inside


def saturated(sums: np.ndarray) -> np.ndarray:
    clipped: np.ndarray = np.clip(sums, _INT32.min, _INT32.max)
    return clipped


def quantize_multiplier(real: float) -> tuple[int, int]:
    """(mantissa, shift): real = mantissa * 2^(shift - 31), the mantissa in [2^30, 2^31), as TFLite makes them."""
    if real == 0:
        return 0, 0
    fraction, shift = math.frexp(real)
    mantissa = math.floor(fraction * 2**31 + 0.5)
    if mantissa == 2**31:
        mantissa, shift = mantissa // 2, shift + 1
    if shift < -31:
        return 0, 0
    return (mantissa, shift) if shift <= 30 else (2**31 - 1, 30)


def quantize_multipliers(reals: Sequence[float]) -> np.ndarray:
    """i32[C, 2]: the operand `multiplier`."""
    return np.array([quantize_multiplier(float(r)) for r in reals], np.int32).reshape(-1, 2)


def multiply_fixed(x: np.ndarray, mantissa: np.ndarray, shift: np.ndarray, kind: str) -> np.ndarray:
    """x * mantissa * 2^(shift - 31) in integers, int64 that fit in int32.

    `double_rounding` rounds the high half of the product, then the shift to the right (gemmlowp's
    SaturatingRoundingDoublingHighMul and RoundingDivideByPOT); `single_rounding` rounds once, half up.
    """
    x, mantissa, shift = (np.asarray(a, np.int64) for a in (x, mantissa, shift))
    if kind == "single_rounding":
        total = 31 - shift
        return saturated((x * mantissa + (np.int64(1) << (total - 1))) >> total)
    product = saturated(x << np.maximum(shift, 0)) * mantissa
    # Half away from zero: C's division truncates.
    high = (np.abs(product) + np.where(product >= 0, 1 << 30, (1 << 30) - 1)) >> 31
    return divide_by_power_of_two(saturated(np.where(product >= 0, high, -high)), np.maximum(-shift, 0))


def divide_by_power_of_two(x: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """x / 2^exponent, half away from zero."""
    mask = (np.int64(1) << exponent) - 1
    quotient: np.ndarray = (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))
    return quotient


def round_half_away(x: np.ndarray) -> np.ndarray:
    whole = np.trunc(x)
    rounded: np.ndarray = whole + np.where(np.abs(x - whole) >= 0.5, np.copysign(x.dtype.type(1), x), x.dtype.type(0))
    return rounded

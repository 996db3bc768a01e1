"""From sums to int8 or int16: the three ways to round, and the mask of what the clamp lets through."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from gradlet.ir.graph import Attrs
from gradlet.ir.tensor_type import DType, QuantParams, TensorType, b1

ROUNDINGS = ("float", "double_rounding", "single_rounding")
LOWEST, HIGHEST = -128, 127
# Of the activations of an op, by its attribute `bits`: int8 unless it says otherwise.
DTYPES = {8: DType.I8, 16: DType.I16}
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


def check_quantized(type_: TensorType, name: str, dtypes: Collection[DType] = (DType.I8,)) -> None:
    if type_.dtype not in dtypes:
        raise ValueError(f"{name} {type_} is not {' or '.join(d.value for d in dtypes)}")


def check_activations(types: Sequence[TensorType], attrs: Attrs, *zeros: str) -> None:
    """Checks operands of the type that `bits` says, these zero points, `rounding`, and the ends of the results.

    With 16 bits all zero points are 0, sums of 64 bits are rounded as floats, and `y_min` and `y_max` may end results
    before their type does: what int8 leaves to a zero point at the end of its range.

    Raises:
        ValueError: with what is wrong.
    """
    bits = attrs.get("bits", 8)
    if bits not in DTYPES:
        raise ValueError(f"bits is {bits}, not 8 or 16")
    for type_ in types:
        check_quantized(type_, "operand", (DTYPES[bits],))
    check_zero_points(attrs, *zeros)
    kind = rounding(attrs)
    if bits == 16 and (kind != "float" or any(attrs[name] for name in zeros)):
        raise ValueError(f"rounding {kind}, zero points {[attrs[name] for name in zeros]}: with 16 bits float and 0")
    if bits == 8 and not {"y_min", "y_max"}.isdisjoint(attrs):
        raise ValueError("y_min and y_max are for 16 bits")
    low, high = ends(attrs)
    if not (isinstance(low, int) and isinstance(high, int) and -(2**15) <= low <= high < 2**15):
        raise ValueError(f"y_min {low} and y_max {high} are no range of int16")


def dtype_of(attrs: Attrs) -> DType:
    """Of the activations of an op."""
    return DTYPES[attrs.get("bits", 8)]


def ends(attrs: Attrs) -> tuple[int, int]:
    """The smallest and the largest integer that an op gives."""
    if attrs.get("bits", 8) == 8:
        return LOWEST, HIGHEST
    return attrs.get("y_min", -(2**15)), attrs.get("y_max", 2**15 - 1)


def with_mask(shape: tuple[int, ...], attrs: Attrs) -> list[TensorType]:
    """Types of a quantised result and, if the attribute `mask` asks for it, of the mask of its clamp."""
    y = TensorType(dtype_of(attrs), shape, QuantParams((attrs["y_scale"],), (attrs["y_zero"],)))
    return [y, b1(*shape)] if attrs.get("mask") else [y]


def clamped(r: np.ndarray, attrs: Attrs) -> tuple[np.ndarray, np.ndarray]:
    """(r + y_zero between the ends, whether it was); `r` holds integers, or is float64 for the surrogate's sake."""
    zero, (low, high) = attrs["y_zero"], ends(attrs)
    inside = (r >= low - zero) & (r <= high - zero)
    return np.clip(r, low - zero, high - zero) + zero, inside


def finished(r: np.ndarray, attrs: Attrs, smooth: bool) -> list[np.ndarray]:
    """The results of an op, and the mask if it is asked for; those of the surrogate, if `smooth`, stay float64."""
    y, inside = clamped(r, attrs)
    y = y if smooth else y.astype(dtype_of(attrs).numpy)
    return [y, inside] if attrs.get("mask") else [y]


def requantize(sums: np.ndarray, scale: np.ndarray, multiplier: Sequence[np.ndarray], attrs: Attrs) -> list[np.ndarray]:
    """The results of an op whose sums int64[..., C] are scaled by scale[C]; of sums float64, the surrogate.

    Args:
        sums: With 8 bits within int32.
        scale: f32[C].
        multiplier: i32[C, 2] where the attribute `rounding` is one of the fixed-point kinds, else nothing.
        attrs: rounding, y_zero, bits, y_min, y_max, mask.
    """
    if sums.dtype.kind == "f":
        return finished(sums * scale, attrs, smooth=True)
    kind = rounding(attrs)
    if kind == "float":
        # Integers are those of the device where the executor computes floats in double precision.
        r = np.rint(sums.astype(np.float32) * scale.astype(np.float32))
    else:
        r = multiply_fixed(sums, multiplier[0][:, 0], multiplier[0][:, 1], kind)
    return finished(r, attrs, smooth=False)


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

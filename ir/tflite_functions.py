"""How TFLite's reference kernels compute functions of one int8 value: in float32, or in integers.

`single_NAME(x, attributes)` is f(x) in float32, `fixed_NAME(x - x_zero, attributes)` is y - y_zero in int64. numpy's
arithmetic has no types.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradlet.ir.graph import Attrs
from gradlet.ir.ops.gelu import CUBIC, ROOT
from gradlet.ir.requantize import (
    LOWEST,
    divide_by_power_of_two,
    multiply_fixed,
    quantize_multiplier,
    round_half_away,
    rounding,
    saturated,
)

_MAX_FACTOR = 128.0


def single(x: object) -> Any:
    """In float32."""
    return np.asarray(x, np.float32)


def _ratio(attrs: Attrs) -> float:
    return float(single(attrs["x_scale"]) / single(attrs["y_scale"]))


def rounded(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> Any:
    """A function of the C library in float32."""
    return single(f(x.astype(np.float64)))


def single_sigmoid(x: np.ndarray, attrs: Attrs) -> Any:
    return single(1) / (single(1) + rounded(np.exp, -x))


def single_tanh(x: np.ndarray, attrs: Attrs) -> Any:
    """By expm1, as C libraries have it: 1 - 2 / (exp(2 |x|) + 1) from 1 on, the same through exp(-2 |x|) below."""
    size = np.abs(x)
    above, below = (rounded(np.expm1, single(k) * size) for k in (2, -2))
    large, small = single(1) - single(2) / (above + single(2)), -below / (below + single(2))
    return np.copysign(np.where(size >= 1, large, small), x)


def single_gelu(x: np.ndarray, attrs: Attrs) -> Any:
    if attrs.get("approximate", False):
        curve = single_tanh(single(ROOT) * (x + single(CUBIC) * x * x * x), attrs)
        return single(0.5) * x * (single(1) + curve)
    return single(0.5) * x * rounded(np.vectorize(math.erfc), x * single(-math.sqrt(0.5)))


def _times(x: np.ndarray, factor: float, attrs: Attrs) -> Any:
    """Raises ValueError for a factor with which nothing but 0 is not clamped."""
    _check(factor)
    mantissa, shift = quantize_multiplier(factor)
    return multiply_fixed(x, np.array(mantissa), np.array(shift), rounding(attrs))


def _check(factor: float) -> None:
    if not abs(factor) < _MAX_FACTOR:
        raise ValueError(f"scales are too far apart: numbers are multiplied with {factor}")


def fixed_abs(x: np.ndarray, attrs: Attrs) -> Any:
    return _times(np.abs(x), _ratio(attrs), attrs)


def fixed_clip(x: np.ndarray, attrs: Attrs) -> Any:
    lo, hi = (round_half_away(single(attrs[bound]) / single(attrs["y_scale"])) for bound in ("lo", "hi"))
    return np.clip(_times(x, _ratio(attrs), attrs), lo, hi)


def fixed_leaky_relu(x: np.ndarray, attrs: Attrs) -> Any:
    below = float(single(attrs["x_scale"]) * single(attrs["alpha"]) / single(attrs["y_scale"]))
    return np.where(x >= 0, _times(x, _ratio(attrs), attrs), _times(x, below, attrs))


def fixed_neg(x: np.ndarray, attrs: Attrs) -> Any:
    """TFLite itself knows only one scale and zero points of 0; -128 stays what it is then."""
    negated = _times(-x, _ratio(attrs), attrs)
    plain = (attrs["x_scale"], attrs["x_zero"]) == (attrs["y_scale"], attrs["y_zero"]) and attrs["x_zero"] == 0
    return np.where(x == LOWEST, LOWEST, negated) if plain else negated


def fixed_sqrt(x: np.ndarray, attrs: Attrs) -> Any:
    return np.trunc(np.sqrt(single(attrs["x_scale"]) * single(np.maximum(x, 0))) / single(attrs["y_scale"]))


def fixed_rsqrt(x: np.ndarray, attrs: Attrs) -> Any:
    """With 20 bits behind the point before it is scaled; infinite at 0."""
    mantissa, shift = _inverse_roots(np.maximum(x, 1))
    root = multiply_fixed(np.ones_like(x), mantissa, shift + 20, "double_rounding")
    mantissa, shift = (np.array(n) for n in quantize_multiplier(1 / (math.sqrt(attrs["x_scale"]) * attrs["y_scale"])))
    return np.where(x > 0, multiply_fixed(root, mantissa, shift - 20, "double_rounding"), np.inf)


def _inverse_roots(x: np.ndarray) -> tuple[Any, Any]:
    """(mantissa, shift) of 1 / sqrt(x), x > 0: gemmlowp's, five steps of Newton with 28 bits behind the point."""
    pairs = (31 - np.frexp(x)[1]) // 2 - 1
    half = divide_by_power_of_two((x << 2 * pairs) >> 1, np.array(1))
    y = np.full_like(x, 1 << 28)
    for _ in range(5):
        cube = saturated(high_product(high_product(y, y), y) << 6)
        y = saturated((high_product(np.full_like(y, 3 << 27), y) - high_product(half, cube)) << 3)
    y = high_product(y, np.array(round(math.sqrt(0.5) * 2**31)))
    shift = 11 - pairs
    one = x == 1
    return np.where(one, 2**31 - 1, y << np.maximum(-shift, 0)), np.where(one, 0, -np.maximum(shift, 0))


def fixed_hard_swish(x: np.ndarray, attrs: Attrs) -> Any:
    """In int16, with 7 bits more than x has; the curve from 0 to 1 goes from -3 to 3 in units of 3 / 32768."""
    _check(_ratio(attrs))
    fine = single(1 / 128) * single(attrs["x_scale"])
    y_mantissa, y_shift = _multiplier16(float(fine / single(attrs["y_scale"])))
    mantissa, shift = _multiplier16(float(fine / single(3 / 32768)))
    x = x << 7
    y = _saturated16(high_product(x, y_mantissa, 15))
    curve = _saturated16(x << max(shift - 1, 0))
    curve = _saturated16(high_product(curve, mantissa, 15) << min(max(shift, 0), 1))
    curve = (divide_by_power_of_two(curve, np.array(max(-shift, 0))) + 32768) >> 1
    product = curve * y
    return divide_by_power_of_two(np.sign(product) * (np.abs(product) >> 15), np.array(-y_shift))


def _multiplier16(real: float) -> tuple[Any, int]:
    mantissa, shift = quantize_multiplier(real)
    return np.array(min((mantissa + (1 << 15)) >> 16, 32767)), shift


def _saturated16(x: np.ndarray) -> Any:
    return np.clip(x, -32768, 32767)


def high_product(a: np.ndarray, b: np.ndarray, bits: int = 31) -> Any:
    """a * b / 2^bits, half away from zero: gemmlowp's SaturatingRoundingDoublingHighMul, of int64."""
    product = a * b
    size = (np.abs(product) + (1 << (bits - 1)) - (product < 0)) >> bits
    return np.where(product < 0, -size, size)

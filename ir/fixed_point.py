"""Fixed-point numbers as gemmlowp computes with them: int64 arrays of int32, the point behind a number of integer bits.

`q0`, `q2`, ... in names say how many integer bits there are besides the sign; one is 2^31 / 2^bits. numpy's arithmetic
has no types.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradlet.ir.requantize import divide_by_power_of_two, quantize_multiplier, saturated

EXP_BITS, SUM_BITS, LOG_BITS = 5, 12, 6
# Of a quarter, a half, one, ... in which a number is taken apart.
_POWERS = range(-2, EXP_BITS)


def constant(value: float) -> int:
    """A number between -1 and 1 as q0."""
    return min(round(value * 2**31), 2**31 - 1)


_BASE = 2**0.25
# Of the logarithm's quotient: n, i, d and f.
LOG_FACTORS = tuple(map(constant, (11 / 240 * _BASE, 2 / _BASE - _BASE, _BASE / 20, _BASE / 4)))
# 48/17 and -32/17 as q2.
NEWTON = (1515870810, -1010580540)


def high_product(a: Any, b: Any, bits: int = 31) -> Any:
    """a * b / 2^bits, half up: SaturatingRoundingDoublingHighMul."""
    return (a * b + (1 << (bits - 1))) >> bits


def multiplier(factor: float) -> tuple[int, int]:
    """(mantissa, shift) that make a q5 of an integer times a factor.

    Raises:
        ValueError: The factor is not above 2^-26, the last bit of a q5.
    """
    mantissa, shift = quantize_multiplier(min(max(factor, 0.0) * 2 ** (31 - EXP_BITS), 2**31 - 1.0))
    if not shift > 0:
        raise ValueError(f"differences are multiplied with {factor}, not with more than 2^-26")
    return mantissa, shift


def differences(factor: float) -> np.ndarray:
    """q5[256]: -factor * d for d from 0 to 255, the lowest q5 where it is below that."""
    mantissa, shift = multiplier(factor)
    scaled: np.ndarray = high_product(saturated(-np.arange(256, dtype=np.int64) << shift), mantissa)
    return scaled


def exponentials(factor: float) -> np.ndarray:
    """q0[256]: exp(-factor * d) for d from 0 to 255, 0 where that is too small to count."""
    _, shift = multiplier(factor)
    largest = math.floor((2**EXP_BITS - 1) * 2 ** (31 - EXP_BITS) / 2**shift)
    return np.where(np.arange(256) <= largest, _exp_q5(differences(factor)), 0)


def _exp_q5(a: Any) -> Any:
    """q0 of a q5 <= 0: a Taylor series up to a quarter, times a power of e for each bit above."""
    quarter = 1 << (31 - EXP_BITS - 2)
    rest = (a & (quarter - 1)) - quarter
    y = _exp_q0(saturated(rest << EXP_BITS))
    above = rest - a
    for power in _POWERS:
        bit = (above >> (31 - EXP_BITS + power)) & 1
        y = np.where(bit == 1, high_product(y, constant(math.exp(-(2.0**power)))), y)
    return np.where(a == 0, 2**31 - 1, y)


def _exp_q0(a: Any) -> Any:
    """exp(a), -1/4 <= a < 0, about -1/8."""
    middle, x = constant(math.exp(-1 / 8)), a + (1 << 28)
    square = high_product(x, x)
    cube, fourth = high_product(square, x), high_product(square, square)
    quarter = divide_by_power_of_two(fourth, np.array(2))
    terms = high_product(quarter + cube, constant(1 / 3)) + square
    return middle + high_product(middle, x + divide_by_power_of_two(terms, np.array(1)))


def sum_of(exponentials_q0: np.ndarray) -> Any:
    """q12, of the last axis, which stays."""
    return divide_by_power_of_two(exponentials_q0, np.array(SUM_BITS)).sum(axis=-1, keepdims=True)


def reciprocal(sum_q12: Any) -> tuple[Any, Any]:
    """(y q0, bits): 1 / sum = y / 2^bits, for sums of 1 or more."""
    zeros = leading_zeros(sum_q12)
    return _reciprocal((sum_q12 << zeros) >> 1), SUM_BITS - zeros


def leading_zeros(x: Any) -> Any:
    """Of positive int32."""
    return 32 - np.frexp(x)[1].astype(np.int64)


def _reciprocal(half: Any) -> Any:
    """q0 of 1 / (2 half), for a half of at least 1/2: three steps of Newton from 48/17 - 32/17 half."""
    x = NEWTON[0] + high_product(half, NEWTON[1])
    for _ in range(3):
        x = x + saturated(high_product(x, (1 << 29) - high_product(half, x)) << 2)
    return saturated(x << 1)


def logarithm(sum_q12: Any) -> Any:
    """q5 of the logarithm of a sum of 1 or more.

    The sum is a power of two times a number r near sqrt(sqrt(1/2)), for which there are two choices, a quarter of an
    octave apart; the logarithm of r is that of its middle and a quotient of polynomials in the distance q from it.
    """
    root, middle, quarter = constant(math.sqrt(0.5)), constant(0.5**0.25), 1 << (29 - LOG_BITS)
    zeros = leading_zeros(sum_q12)
    lower = high_product(sum_q12, root)
    lower_zeros = leading_zeros(lower) - 1
    r = np.minimum(
        saturated(high_product(sum_q12 << (zeros - 1), root) << 1),
        saturated(sum_q12 << lower_zeros),
    )
    octaves = np.maximum(
        ((SUM_BITS - zeros) << (31 - LOG_BITS)) + quarter, ((SUM_BITS - lower_zeros) << (31 - LOG_BITS)) - quarter
    )
    p, q = (r + middle + 1) >> 1, 2 * (r - middle)
    square = high_product(q, q)
    alpha_n, alpha_i, alpha_d, alpha_f = LOG_FACTORS
    over = high_product(q, r) + high_product(high_product(q, square), alpha_n)
    under = high_product(p, alpha_i + q + high_product(alpha_d, square)) + high_product(alpha_f, q)
    quotient = high_product(divide_by_power_of_two(over, np.array(LOG_BITS)), _reciprocal((under + 2**31) >> 1))
    return saturated((high_product(octaves, constant(math.log(2))) + quotient) << 1)

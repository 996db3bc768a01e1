"""Fixed-point numbers as gemmlowp computes with them: int64 arrays of int32, the point behind a number of integer bits.

`q0`, `q2`, ... in names say how many integer bits there are besides the sign; one is 2^31 / 2^bits. numpy's arithmetic
has no types.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradlet.ir.requantize import divide_by_power_of_two, quantize_multiplier, saturated

EXP_BITS, SUM_BITS = 5, 12
# Of a quarter, a half, one, ... in which a number is taken apart.
_POWERS = range(-2, EXP_BITS)


def constant(value: float) -> int:
    """A number between -1 and 1 as q0."""
    return min(round(value * 2**31), 2**31 - 1)


def high_product(a: Any, b: Any, bits: int = 31) -> Any:
    """a * b / 2^bits, half up: SaturatingRoundingDoublingHighMul."""
    return (a * b + (1 << (bits - 1))) >> bits


def exponentials(factor: float) -> np.ndarray:
    """q0[256]: exp(-factor * d) for d from 0 to 255, 0 where that is too small to count.

    Raises:
        ValueError: The factor is outside of what 26 bits behind the point can hold.
    """
    mantissa, shift = quantize_multiplier(min(factor * 2 ** (31 - EXP_BITS), 2**31 - 1.0))
    if not shift > 0:
        raise ValueError(f"differences are multiplied with {factor}, not with more than 2^-26")
    d = np.arange(256, dtype=np.int64)
    largest = math.floor((2**EXP_BITS - 1) * 2 ** (31 - EXP_BITS) / 2**shift)
    a = high_product(saturated(-np.minimum(d, largest) << shift), mantissa)
    return np.where(d <= largest, _exp_q5(a), 0)


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
    """(y q0, bits): 1 / sum = y / 2^bits, for sums of 1 or more; three steps of Newton."""
    zeros = 32 - np.frexp(sum_q12)[1].astype(np.int64)
    half = (sum_q12 << zeros) >> 1
    x = 1515870810 + high_product(half, -1010580540)
    for _ in range(3):
        x = x + saturated(high_product(x, (1 << 29) - high_product(half, x)) << 2)
    return saturated(x << 1), SUM_BITS - zeros

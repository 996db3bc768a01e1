"""Numbers that are the same bit for bit on every machine: floats rounded after each operation, saturated integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlet.backends.tvm.package import te, tirx
from gradlet.ir.exact_math import EXP, LN2_HIGH, LN2_LOW, LOG

_EXPONENT_BITS, _BIAS = 23, 127


def product(a: Any, b: Any) -> Any:
    """a * b in float32, rounded before anything is done with it.

    LLVM would put the product and a sum that follows into one instruction that rounds once, wherever the processor
    has it. The fence is no instruction.
    """
    return tirx.call_llvm_pure_intrin("float32", "llvm.arithmetic.fence", a * b)


def dtype_of(x: Any) -> str:
    return str(x.dtype if isinstance(x, te.TensorSlice) else x.ty)


def real(value: float | np.floating[Any]) -> Any:
    """A constant, rounded to float32."""
    return tirx.const(float(np.float32(value)), "float32")


def bits_of(x: Any) -> Any:
    """The float32 as an integer; of numbers not below 0 the larger one has the larger integer."""
    return tirx.reinterpret("int32", x)


def power_of_two(exponent: Any) -> Any:
    """2 ** exponent of a normal float32."""
    return tirx.reinterpret("float32", tirx.shift_left(exponent + _BIAS, tirx.const(_EXPONENT_BITS, "int32")))


def exponent_of(x: Any) -> Any:
    """The largest e with 2 ** e <= x, for normal x > 0."""
    return tirx.shift_right(bits_of(x), tirx.const(_EXPONENT_BITS, "int32")) - _BIAS


def fraction_bits(x: Any) -> Any:
    """0 exactly where x is a power of two."""
    return tirx.bitwise_and(bits_of(x), tirx.const((1 << _EXPONENT_BITS) - 1, "int32"))


def limited(x: Any, low: Any, high: Any) -> Any:
    """x between two numbers of its type; NaN becomes `low`."""
    if dtype_of(x).startswith("int"):
        return tirx.max(tirx.min(x, high), low)
    # A name: expressions are trees, and grow by what is written twice. TVM mistakes the bounds of named integers.
    name = tirx.Var("x", dtype_of(x))
    return tirx.Let(name, x, tirx.Select(name > low, tirx.Select(name < high, name, high), low))


def saturating_add(a: Any, b: Any) -> Any:
    return tirx.call_llvm_pure_intrin("int32", "llvm.sadd.sat", a, b)


def saturating_sub(a: Any, b: Any) -> Any:
    return tirx.call_llvm_pure_intrin("int32", "llvm.ssub.sat", a, b)


def rounded_half_away(x: Any) -> Any:
    """The nearest whole number, of two the one farther from 0."""
    dtype = dtype_of(x)
    half = tirx.Select(x < tirx.const(0, dtype), tirx.const(-0.5, dtype), tirx.const(0.5, dtype))
    return tirx.trunc(x + half)


def exp(x: Any) -> Any:
    """`exact_math.exp`: of x <= 0."""
    lost = x < real(-103.98)
    safe = tirx.Select(tirx.any(lost, tirx.isnan(x)), real(0), x)
    n = (product(safe, real(1.442695041)) - real(0.5)).astype("int32")
    r = safe - product(n.astype("float32"), real(LN2_HIGH)) - product(n.astype("float32"), real(LN2_LOW))
    y = product(product(_horner(EXP, r), r), r) + r + real(1)
    # n is not above 0: its half, towards 0.
    half = -tirx.shift_right(-n, tirx.const(1, "int32"))
    scaled = product(product(y, power_of_two(half)), power_of_two(n - half))
    return tirx.Select(tirx.isnan(x), x, tirx.Select(lost, real(0), scaled))


def log(x: Any) -> Any:
    """`exact_math.log`: of normal x > 0."""
    fraction = tirx.reinterpret("float32", tirx.bitwise_or(fraction_bits(x), bits_of(real(1))))
    above = fraction > real(1.41421356)
    n = (exponent_of(x) + tirx.Select(above, 1, 0)).astype("float32")
    t = tirx.Select(above, product(fraction, real(0.5)), fraction) - real(1)
    cubed = product(product(product(_horner(LOG, t), t), t), t)
    small = cubed + product(n, real(LN2_LOW)) - product(product(real(0.5), t), t)
    return tirx.Select(tirx.isnan(x), x, t + small + product(n, real(LN2_HIGH)))


def _horner(coefficients: Sequence[float], x: Any) -> Any:
    value = real(coefficients[0])
    for c in coefficients[1:]:
        value = product(value, x) + real(c)
    return value

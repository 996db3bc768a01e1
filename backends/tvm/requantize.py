"""From sums to int8 or int16, as expressions: the three roundings of ir/requantize.py, and the mask of the clamp."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradlet.backends.tvm.exact import dtype_of, limited, real
from gradlet.backends.tvm.expressions import result
from gradlet.backends.tvm.kernel import Case, Read, Result
from gradlet.backends.tvm.package import te, tirx
from gradlet.ir.requantize import ends, quantize_multiplier, rounding

_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1
_INT16_MIN, _INT16_MAX = -(2**15), 2**15 - 1


def scaled(case: Case, sums: Any, channel: Any, scale: Read, multiplier: Sequence[Read]) -> Any:
    """Sums of a channel in units of the result, rounded: whole numbers, float32 or int64."""
    kind = rounding(case.attrs)
    if kind == "float":
        return tirx.nearbyint(sums.astype("float32") * scale(channel))
    return multiply_fixed(sums, multiplier[0](channel, 0), multiplier[0](channel, 1), kind)


def scaled_by(x: Any, factor: float, kind: str) -> Any:
    """Integers times one number, rounded: whole numbers, float32 or int64."""
    if kind == "float":
        return tirx.nearbyint(x.astype("float32") * real(factor))
    mantissa, shift = (tirx.const(n, "int64") for n in quantize_multiplier(factor))
    return multiply_fixed(x, mantissa, shift, kind)


def clamped(case: Case, rounded: Callable[..., Any]) -> list[Result]:
    """The results of an op that ends in a clamp: rounded + y_zero between its ends, and the mask if the node has one.

    Args:
        rounded: Whole numbers, float32 or int64, from the indices of the result.
    """
    zero, dtype = case.attrs["y_zero"], case.result.dtype.value
    low, high = (end - zero for end in ends(case.attrs))
    if not case.attrs.get("mask"):
        return [result(case, lambda *i: (_limited(rounded(*i), low, high) + zero).astype(dtype))]
    # One step more to both sides: what the mask needs to see.
    wider = "int16" if low > _INT16_MIN and high < _INT16_MAX else "int32"
    near = te.compute(case.result.shape, lambda *i: _limited(rounded(*i), low - 1, high + 1).astype(wider), name="near")
    y = result(case, lambda *i: (_limited(near(*i).astype("int32"), low, high) + zero).astype(dtype))
    return [y, lambda *i: tirx.all(near(*i) >= low, near(*i) <= high)]


def _limited(x: Any, low: int, high: int) -> Any:
    dtype = dtype_of(x)
    return limited(x, tirx.const(low, dtype), tirx.const(high, dtype)).astype("int32")


def multiply_fixed(x: Any, mantissa: Any, shift: Any, kind: str) -> Any:
    """`ir.requantize.multiply_fixed`: int64."""
    x, mantissa, shift = (_wide(a) for a in (x, mantissa, shift))
    if kind == "single_rounding":
        total = _wide(31) - shift
        half = tirx.shift_left(_wide(1), total - 1)
        return _saturated(tirx.shift_right(x * mantissa + half, total))
    high = tirx.shift_right(_saturated(tirx.shift_left(x, tirx.max(shift, _wide(0)))) * mantissa + (1 << 30), _wide(31))
    # Half away from zero; the sign is that of x, since expressions are trees, and grow by what is written twice.
    exponent = tirx.max(-shift, _wide(0))
    half = tirx.shift_right(tirx.shift_left(_wide(1), exponent), _wide(1))
    return tirx.shift_right(high + half - tirx.min(half, _wide(x < 0)), exponent)


def _saturated(x: Any) -> Any:
    return tirx.max(tirx.min(x, _wide(_INT32_MAX)), _wide(_INT32_MIN))


def _wide(x: Any) -> Any:
    return tirx.const(x, "int64") if isinstance(x, int) else x.astype("int64")

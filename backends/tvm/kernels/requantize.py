"""Elementwise ops on int8: quantize, dequantize, requantize, qadd and qmul."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from gradlet.backends.tvm.exact import product, real, rounded_half_away
from gradlet.backends.tvm.expressions import broadcast, result
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import tirx
from gradlet.backends.tvm.requantize import clamped, multiply_fixed
from gradlet.ir.ops.qadd import LEFT_SHIFT, factors, fixed_factors, sign
from gradlet.ir.ops.qmul import factor
from gradlet.ir.requantize import quantize_multiplier, rounding


def _fixed(x: Any, factor: float, kind: str) -> Any:
    """x * factor in integers, int64."""
    mantissa, shift = (tirx.const(n, "int64") for n in quantize_multiplier(factor))
    return multiply_fixed(x, mantissa, shift, kind)


def _less(x: Any, zero: int) -> Any:
    return x.astype("int32") - zero


def _quantize(case: Case, x: Read) -> Sequence[Result]:
    nearest = tirx.nearbyint if rounding(case.attrs) == "float" else rounded_half_away
    attrs = (*case.attributes, ("y_zero", case.attrs["zero_point"]))
    return clamped(replace(case, attributes=attrs), lambda *i: nearest(x(*i) / real(case.attrs["scale"])))


def _dequantize(case: Case, x: Read) -> Sequence[Result]:
    attrs = case.attrs
    return [result(case, lambda *i: _less(x(*i), attrs["zero_point"]).astype("float32") * real(attrs["scale"]))]


def _requantize(case: Case, x: Read) -> Sequence[Result]:
    attrs, kind = case.attrs, rounding(case.attrs)
    factor = attrs["x_scale"] / attrs["y_scale"]

    def rounded(*i: Any) -> Any:
        less = _less(x(*i), attrs["x_zero"])
        if kind == "float":
            return tirx.nearbyint(less.astype("float32") * real(factor))
        return _fixed(less, factor, kind)

    return clamped(case, rounded)


def _pair(rounded: Callable[[Case, Any, Any], Any]) -> Kernel:
    """An op on two operands, from what it makes of two elements less their zero points."""

    def compute(case: Case, x1: Read, x2: Read) -> Sequence[Result]:
        def element(*i: Any) -> Any:
            read = (broadcast(x, case.shape(k), i) for k, x in enumerate((x1, x2)))
            return rounded(case, *map(_less, read, (case.attrs["x1_zero"], case.attrs["x2_zero"])))

        return clamped(case, element)

    return Kernel(compute, flat=True)


def _qadd(case: Case, x1: Any, x2: Any) -> Any:
    return (_float_sum if rounding(case.attrs) == "float" else _fixed_sum)(case, x1, x2)


def _float_sum(case: Case, *terms: Any) -> Any:
    first, second = (product(x.astype("float32"), real(f)) for x, f in zip(terms, factors(case.attrs), strict=True))
    return tirx.nearbyint(first + second)


def _fixed_sum(case: Case, *terms: Any) -> Any:
    kind, (*own, both) = rounding(case.attrs), fixed_factors(case.attrs)
    first, second = (_fixed(x * (1 << LEFT_SHIFT), f, kind) for x, f in zip(terms, own, strict=True))
    return _fixed(first + sign(case.attrs) * second, both, kind)


def _qmul(case: Case, x1: Any, x2: Any) -> Any:
    kind, by = rounding(case.attrs), factor(case.attrs)
    if kind == "float":
        return tirx.nearbyint((x1 * x2).astype("float32") * real(by))
    return _fixed(x1 * x2, by, kind)


KERNELS = {
    "quantize": Kernel(_quantize, flat=True),
    "dequantize": Kernel(_dequantize, flat=True),
    "requantize": Kernel(_requantize, flat=True),
    "qadd": _pair(_qadd),
    "qmul": _pair(_qmul),
}

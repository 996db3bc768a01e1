"""Ops on two quantised tensors, element by element with broadcasting: qadd, qmul, qsquared_difference and qprelu."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradlet.backends.tvm.exact import product, real
from gradlet.backends.tvm.expressions import broadcast, pointwise, select
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import tirx
from gradlet.backends.tvm.requantize import clamped, scaled_by
from gradlet.ir.graph import Attrs
from gradlet.ir.ops import qadd, qmul, qprelu, qsquared_difference
from gradlet.ir.requantize import rounding


def _pair(rounded: Callable[[Attrs, str, Any, Any], Any]) -> Kernel:
    """An op from what it makes, in its rounding, of two elements less their zero points."""

    def compute(case: Case, x1: Read, x2: Read) -> Sequence[Result]:
        attrs, kind = case.attrs, rounding(case.attrs)

        def element(*i: Any) -> Any:
            first, second = (broadcast(x, case.shape(k), i).astype("int32") for k, x in enumerate((x1, x2)))
            return rounded(attrs, kind, first - attrs["x1_zero"], second - attrs["x2_zero"])

        return clamped(case, element)

    return Kernel(compute, flat=True)


def _float(x: Any, factor: float) -> Any:
    return product(x.astype("float32"), real(factor))


def _qadd(attrs: Attrs, kind: str, x1: Any, x2: Any) -> Any:
    if kind == "float":
        first, second = qadd.factors(attrs)
        return tirx.nearbyint(_float(x1, first) + _float(x2, second))
    (first, second, both), shift = qadd.fixed_factors(attrs), 1 << qadd.LEFT_SHIFT
    terms = scaled_by(x1 * shift, first, kind) + qadd.sign(attrs) * scaled_by(x2 * shift, second, kind)
    return scaled_by(terms, both, kind)


def _qmul(attrs: Attrs, kind: str, x1: Any, x2: Any) -> Any:
    return scaled_by(x1 * x2, qmul.factor(attrs), kind)


def _qsquared_difference(attrs: Attrs, kind: str, x1: Any, x2: Any) -> Any:
    if kind == "float":
        first, second, square = qsquared_difference.float_factors(attrs)
        difference = _float(x1, first) - _float(x2, second)
        return tirx.nearbyint(product(product(difference, difference), real(square)))
    (first, second, square), shift = qsquared_difference.fixed_factors(attrs), 1 << qsquared_difference.LEFT_SHIFT
    difference = scaled_by(x1 * shift, first, kind) - scaled_by(x2 * shift, second, kind)
    return scaled_by(difference * difference, square, kind)


def _qprelu(attrs: Attrs, kind: str, x: Any, slope: Any) -> Any:
    positive, negative = qprelu.factors(attrs)
    return tirx.Select(x >= 0, scaled_by(x, positive, kind), scaled_by(x * slope, negative, kind))


def _qprelu_grad(attrs: Attrs, g: Any, x: Any, slope: Any) -> Any:
    positive, negative = map(real, qprelu.factors(attrs))
    t = x.astype("int32") - attrs["x1_zero"]
    if attrs["of"]:
        return g * select(t < 0, t.astype("float32") * negative, 0.0)
    return g * select(t < 0, (slope.astype("int32") - attrs["x2_zero"]).astype("float32") * negative, positive)


KERNELS = {
    "qadd": _pair(_qadd),
    "qmul": _pair(_qmul),
    "qsquared_difference": _pair(_qsquared_difference),
    "qprelu": _pair(_qprelu),
    "qprelu_grad": pointwise(_qprelu_grad),
}

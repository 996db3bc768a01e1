"""qsum and qmean: sums over axes in int32, requantised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.exact import product, real
from gradlet.backends.tvm.expressions import total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te, tirx
from gradlet.backends.tvm.reduced_axes import extents, spread
from gradlet.backends.tvm.requantize import clamped, multiply_fixed, scaled_by
from gradlet.ir.ops.qsum import factor, mean_multiplier, sum_line
from gradlet.ir.requantize import rounding


def _qsum(case: Case, x: Read) -> Sequence[Result]:
    attrs, kind, shape = case.attrs, rounding(case.attrs), case.shape(0)
    in_floats = case.op == "qsum" and kind != "float"

    def summed(*kept: Any) -> Any:
        def element(*r: Any) -> Any:
            stored = x(*spread(case, 0, kept, r)).astype("int32")
            return stored if in_floats else stored - attrs["x_zero"]

        return total(element, extents(case))

    sums = te.compute(case.result.shape, summed, name="summed")

    def rounded(*i: Any) -> Any:
        if kind == "float":
            return scaled_by(sums(*i), factor(case.op, shape, attrs), kind)
        if in_floats:
            scale, bias = map(real, sum_line(shape, attrs))
            return _half_away(product(sums(*i).astype("float32"), scale) + bias)
        mantissa, shift = (tirx.const(n, "int64") for n in mean_multiplier(shape, attrs))
        return multiply_fixed(sums(*i), mantissa, shift, kind)

    return clamped(case, rounded)


def _half_away(x: Any) -> Any:
    """Exactly: a half that is added rounds up what lies right below one."""
    whole = tirx.trunc(x)
    away = tirx.Select(x < real(0), real(-1), real(1))
    return whole + tirx.Select(te.abs(x - whole) >= real(0.5), away, real(0))


KERNELS = {"qsum": Kernel(_qsum), "qmean": Kernel(_qsum)}

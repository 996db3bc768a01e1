"""qsum and qmean: sums over axes in int32, requantised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.exact import real
from gradlet.backends.tvm.expressions import total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te, tirx
from gradlet.backends.tvm.reduced_axes import extents, spread
from gradlet.backends.tvm.requantize import clamped, multiply_fixed
from gradlet.ir.ops.qsum import factor, multiplier
from gradlet.ir.requantize import rounding


def _qsum(case: Case, x: Read) -> Sequence[Result]:
    attrs, kind = case.attrs, rounding(case.attrs)

    def summed(*kept: Any) -> Any:
        def less(*r: Any) -> Any:
            return x(*spread(case, 0, kept, r)).astype("int32") - attrs["x_zero"]

        return total(less, extents(case))

    sums = te.compute(case.result.shape, summed, name="summed")
    mantissa, shift = (tirx.const(n, "int64") for n in multiplier(case.op, case.shape(0), attrs))

    def rounded(*i: Any) -> Any:
        if kind == "float":
            return tirx.nearbyint(sums(*i).astype("float32") * real(factor(case.op, case.shape(0), attrs)))
        return multiply_fixed(sums(*i), mantissa, shift, kind)

    return clamped(case, rounded)


KERNELS = {"qsum": Kernel(_qsum), "qmean": Kernel(_qsum)}

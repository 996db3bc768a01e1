"""qmatmul: sums of products in int32, requantised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.expressions import total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te
from gradlet.backends.tvm.requantize import clamped, scaled_by
from gradlet.ir.ops.qmatmul import depth, factor
from gradlet.ir.requantize import rounding


def _qmatmul(case: Case, a: Read, b: Read) -> Sequence[Result]:
    attrs = case.attrs

    def element(*i: Any) -> Any:
        *batch, row, column = i

        def product(k: Any) -> Any:
            left = (k, row) if attrs.get("transpose_a", False) else (row, k)
            right = (column, k) if attrs.get("transpose_b", False) else (k, column)
            first = a(*batch[: len(case.shape(0)) - 2], *left).astype("int32") - attrs["x1_zero"]
            return first * (b(*batch[: len(case.shape(1)) - 2], *right).astype("int32") - attrs["x2_zero"])

        return total(product, [depth(case.operands[0].type, attrs)])

    sums = te.compute(case.result.shape, element, name="summed")
    return clamped(case, lambda *i: scaled_by(sums(*i), factor(attrs), rounding(attrs)))


KERNELS = {"qmatmul": Kernel(_qmatmul)}

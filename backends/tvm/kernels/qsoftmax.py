"""qsoftmax and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.epilogue import finish, operands_of
from gradlet.backends.tvm.exact import product, real
from gradlet.backends.tvm.expressions import result, total
from gradlet.backends.tvm.fixed_point import SoftmaxRows, high_product, rounded, wide
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te, tirx
from gradlet.ir.fixed_point import SUM_BITS, exponentials
from gradlet.ir.ops.qsoftmax import ONE, factor
from gradlet.ir.requantize import HIGHEST, LOWEST


def _qsoftmax(case: Case, x: Read) -> Sequence[Result]:
    rows = SoftmaxRows(case, x, exponentials(factor(case.attrs)))
    zeros = rows.leading_zeros("zeros", rows.sum)
    half = rows.stage("half", lambda *r: tirx.shift_right(tirx.shift_left(rows.sum(*r), zeros(*r)), wide(1)))
    inverse = rows.reciprocal(half)

    def element(*i: Any) -> Any:
        *r, _ = i
        p = high_product(inverse(*r), rows.exponential(*i))
        whole = rounded(p, wide(SUM_BITS + 23) - zeros(*r))
        return (tirx.min(whole, wide(HIGHEST - LOWEST)) + wide(LOWEST)).astype("int8")

    return [result(case, element)]


def _input_grad(case: Case, *reads: Read) -> Sequence[Result]:
    found = operands_of(case, reads, 1)
    (*rows, n), (y,), g = case.result.shape, found.own, found.g
    kind = "float32" if found.unit is None else "int64"
    times = product if found.unit is None else lambda a, b: a * b

    def p(*i: Any) -> Any:
        return (y(*i).astype("int32") - LOWEST).astype(kind)

    dot = te.compute(rows, lambda *r: total(lambda j: times(g(*r, j).astype(kind), p(*r, j)), [n]), name="dot")

    def sums(*i: Any) -> Any:
        if found.unit is None:
            return product(p(*i), g(*i) - product(dot(*i[:-1]), real(1 / ONE)))
        exact = p(*i) * (g(*i).astype(kind) * wide(ONE) - dot(*i[:-1]))
        return product(exact.astype("float32"), real(1 / ONE))

    return finish(case, found, sums)


KERNELS = {"qsoftmax": Kernel(_qsoftmax), "qsoftmax_input_grad": Kernel(_input_grad)}

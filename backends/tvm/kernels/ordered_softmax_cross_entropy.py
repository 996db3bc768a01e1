"""ordered_softmax_cross_entropy and its gradient, with the polynomials of ir/exact_math.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradlet.backends.tvm.exact import exp, log, real
from gradlet.backends.tvm.expressions import result, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te, tirx


@dataclass(frozen=True)
class _Rows:
    """x less the largest of its row, and for each row the sum of exp of that."""

    shifted: Read
    sums: Read

    def power(self, n: Any, k: Any) -> Any:
        return exp(self.shifted(n, k))


def _rows(case: Case, logits: Read) -> _Rows:
    rows, classes = case.shape(0)

    def largest(n: Any) -> Any:
        k = te.reduce_axis((0, classes), name="k")
        return te.max(logits(n, k), axis=k)

    most = te.compute((rows,), largest, name="largest")

    def shifted(n: Any, k: Any) -> Any:
        return logits(n, k) - most(n)

    sums = te.compute((rows,), lambda n: total(lambda k: exp(shifted(n, k)), [classes]), name="sums")
    return _Rows(shifted, sums)


def _loss(case: Case, logits: Read, labels: Read) -> Sequence[Result]:
    rows, count = _rows(case, logits), case.shape(0)[0]
    losses = te.compute((count,), lambda n: log(rows.sums(n)) - rows.shifted(n, labels(n)), name="losses")
    summed = te.compute((), lambda: total(losses, [count]), name="summed")
    return [result(case, lambda: summed() / real(count))]


def _grad(case: Case, logits: Read, labels: Read) -> Sequence[Result]:
    rows, count = _rows(case, logits), case.shape(0)[0]

    def element(n: Any, k: Any) -> Any:
        chosen = tirx.Select(labels(n) == k, real(1), real(0))
        return (rows.power(n, k) / rows.sums(n) - chosen) / real(count)

    return [result(case, element)]


KERNELS = {
    "ordered_softmax_cross_entropy": Kernel(_loss),
    "ordered_softmax_cross_entropy_grad": Kernel(_grad),
}

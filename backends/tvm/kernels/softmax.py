"""softmax and log_softmax along an axis, softmax_cross_entropy, and the gradients of all three."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradlet.backends.tvm.expressions import result, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te, tirx
from gradlet.ir.axes import axis_of


class _Rows:
    """The rows that a tensor consists of along one axis."""

    def __init__(self, case: Case):
        shape = case.shape(0)
        self.axis = axis_of(case.attrs, len(shape), default=-1)
        self.length = shape[self.axis]
        self.others = shape[: self.axis] + shape[self.axis + 1 :]

    def at(self, row: Sequence[Any], k: Any) -> list[Any]:
        """Indices of element `k` of a row."""
        return [*row[: self.axis], k, *row[self.axis :]]

    def of(self, indices: Sequence[Any]) -> list[Any]:
        """The row that an element lies in."""
        return [*indices[: self.axis], *indices[self.axis + 1 :]]

    def sum(self, element: Callable[..., Any], name: str) -> Any:
        """For each row the sum of `element` over it."""
        return te.compute(self.others, lambda *r: total(lambda k: element(*self.at(r, k)), [self.length]), name=name)


def _largest(rows: _Rows, x: Read) -> Any:
    k = te.reduce_axis((0, rows.length), name="k")
    return te.compute(rows.others, lambda *r: te.max(x(*rows.at(r, k)), axis=k), name="largest")


def _log_softmax(case: Case, x: Read) -> Callable[..., Any]:
    """log_softmax(x) as a function of its indices."""
    rows = _Rows(case)
    largest = _largest(rows, x)
    summed = rows.sum(lambda *i: te.exp(x(*i) - largest(*rows.of(i))), "summed")
    # Stages of their own, so that a result that replaces x still finds them.
    logs = te.compute(rows.others, lambda *r: te.log(summed(*r)), name="logs")
    return lambda *i: x(*i) - largest(*rows.of(i)) - logs(*rows.of(i))


def _softmax(case: Case, x: Read) -> Sequence[Result]:
    y = _log_softmax(case, x)
    return [result(case, lambda *i: te.exp(y(*i)))]


def _softmax_grad(case: Case, g: Read, y: Read) -> Sequence[Result]:
    rows = _Rows(case)
    dot = rows.sum(lambda *i: g(*i) * y(*i), "dot")
    return [result(case, lambda *i: y(*i) * (g(*i) - dot(*rows.of(i))))]


def _log_softmax_grad(case: Case, g: Read, y: Read) -> Sequence[Result]:
    rows = _Rows(case)
    summed = rows.sum(g, "summed")
    return [result(case, lambda *i: g(*i) - te.exp(y(*i)) * summed(*rows.of(i)))]


def _cross_entropy(case: Case, logits: Read, labels: Read) -> Sequence[Result]:
    count = case.shape(1)[0]
    y = _log_softmax(case, logits)
    return [result(case, lambda: total(lambda n: y(n, labels(n)) * (-1 / count), [count]))]


def _cross_entropy_grad(case: Case, logits: Read, labels: Read) -> Sequence[Result]:
    count = case.shape(1)[0]
    y = _log_softmax(case, logits)
    return [result(case, lambda n, k: (te.exp(y(n, k)) - tirx.Select(labels(n) == k, 1.0, 0.0)) / count)]


KERNELS = {
    "softmax": Kernel(_softmax),
    "log_softmax": Kernel(lambda case, x: [result(case, _log_softmax(case, x))]),
    "softmax_grad": Kernel(_softmax_grad),
    "log_softmax_grad": Kernel(_log_softmax_grad),
    "softmax_cross_entropy": Kernel(_cross_entropy),
    "softmax_cross_entropy_grad": Kernel(_cross_entropy_grad),
}

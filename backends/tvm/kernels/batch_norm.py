"""batch_norm with given statistics, with those of the batch, and its gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from gradlet.backends.tvm.expressions import result, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te
from gradlet.backends.tvm.schedules import tile


def _per_channel(case: Case, element: Callable[..., Any], name: str) -> Any:
    """For each channel the sum of `element` over all other axes."""
    shape = case.result.shape
    return te.compute(shape[-1:], lambda c: total(lambda *r: element(*r, c), shape[:-1]), name=name)


def _count(case: Case) -> int:
    return math.prod(case.result.shape[:-1])


def _batch_norm(case: Case, x: Read, gamma: Read, beta: Read, mean: Read, var: Read) -> Sequence[Result]:
    eps = case.attrs["eps"]
    factor = te.compute(case.shape(1), lambda c: gamma(c) / te.sqrt(var(c) + eps), name="factor")
    return [result(case, lambda *i: (x(*i) - mean(i[-1])) * factor(i[-1]) + beta(i[-1]))]


def _train(case: Case, x: Read, gamma: Read, beta: Read, running_mean: Read, running_var: Read) -> Sequence[Result]:
    count, eps, m = _count(case), case.attrs["eps"], case.attrs["momentum"]
    sums = _per_channel(case, x, "total")
    mean = result(case, lambda c: sums(c) * (1 / count), 1)
    squares = _per_channel(case, lambda *i: (x(*i) - mean(i[-1])) * (x(*i) - mean(i[-1])), "squares")
    rstd = result(case, lambda c: 1 / te.sqrt(squares(c) * (1 / count) + eps), 2)
    y = result(case, lambda *i: (x(*i) - mean(i[-1])) * (rstd(i[-1]) * gamma(i[-1])) + beta(i[-1]))
    new_mean = result(case, lambda c: (1 - m) * running_mean(c) + m * mean(c), 3)
    new_var = result(case, lambda c: (1 - m) * running_var(c) + m * (squares(c) * (1 / (count - 1))), 4)
    return [y, mean, rstd, new_mean, new_var]


def _train_grad(case: Case, g: Read, x: Read, gamma: Read, mean: Read, rstd: Read) -> Sequence[Result]:
    count = _count(case)

    def normalised(*i: Any) -> Any:
        return (x(*i) - mean(i[-1])) * rstd(i[-1])

    dbeta = _per_channel(case, g, "dbeta")
    dgamma = _per_channel(case, lambda *i: g(*i) * normalised(*i), "dgamma")

    def dx(*i: Any) -> Any:
        c = i[-1]
        spread = dbeta(c) * (1 / count) + normalised(*i) * (dgamma(c) * (1 / count))
        return gamma(c) * rstd(c) * (g(*i) - spread)

    return [result(case, dx), dgamma, dbeta]


def _rows(*names: str) -> Callable[[Any, Case], None]:
    """Reads rows as they lie for these sums."""

    def schedule(schedule: Any, case: Case) -> None:
        for name in names:
            tile(schedule, name, row=None)

    return schedule


KERNELS = {
    "batch_norm": Kernel(_batch_norm),
    "batch_norm_train": Kernel(_train, _rows("total", "squares")),
    "batch_norm_train_grad": Kernel(_train_grad, _rows("dbeta", "dgamma")),
}

"""rescale_gradient and gradient_sum: gradients of quantised values, element by element and summed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.epilogue import finish, operands_of
from gradlet.backends.tvm.expressions import broadcast, result, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.schedules import tile


def _rescale(case: Case, *reads: Read) -> Sequence[Result]:
    found = operands_of(case, reads)
    return finish(case, found, lambda *i: broadcast(found.g.read, case.shape(0), i))


def _sum(case: Case, g: Read) -> Sequence[Result]:
    dtype, rows = case.result.dtype.value, case.shape(0)[:-1]
    return [result(case, lambda c: total(lambda *r: g(*r, c).astype(dtype), rows))]


def _schedule_sum(schedule: Any, case: Case) -> None:
    """Reads rows as they lie."""
    if len(case.shape(0)) > 1:
        tile(schedule, "y0", row=None)


KERNELS = {"rescale_gradient": Kernel(_rescale), "gradient_sum": Kernel(_sum, _schedule_sum)}

"""Sums of products, then bias and activation: what convolutions and matrix products have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradlet.backends.tvm.expressions import activated, result, total
from gradlet.backends.tvm.kernel import Case, Read, Result
from gradlet.backends.tvm.package import te
from gradlet.backends.tvm.schedules import (
    extent,
    in_parallel,
    lanes,
    largest_divisor,
    sum_in_registers,
    tile,
)

# A product of two elements, from the indices of the result followed by those of the sum.
Product = Callable[..., Any]

# Below it, laying weights out anew for vectors of outputs takes longer than it saves.
FEW_ROWS = 8
# Outputs whose sums over lanes are computed at a time.
_DOTS = 4


def sums(case: Case, product: Product, extents: Sequence[int], bias: Sequence[Read] = ()) -> Result:
    """The result; neighbours along an axis of it are to be neighbours in an operand."""

    def element(*i: Any) -> Any:
        return total(lambda *r: product(*i, *r), extents)

    if not _is_finished(case):
        return result(case, element)
    summed = te.compute(case.result.shape, element, name="summed")
    return result(case, lambda *i: _finish(case, summed(*i), i, bias))


def schedule_sums(schedule: Any, case: Case, vector: int = -1, row: int | None = -2) -> None:
    """How `sums` are computed."""
    if _is_finished(case):
        tile(schedule, "summed", "y0", vector, row)
    else:
        tile(schedule, "y0", "", vector, row)


def _is_finished(case: Case) -> bool:
    return len(case.operands) > 2 or case.attrs.get("activation", "none") != "none"


def _finish(case: Case, summed: Any, indices: Sequence[Any], bias: Sequence[Read]) -> Any:
    return activated(summed + bias[0](indices[-1]) if bias else summed, case.attrs)


def dots(case: Case, product: Product, extents: Sequence[int], bias: Sequence[Read] = ()) -> Result:
    """The result, where neighbours along the last axis of the *sum* are neighbours in both operands."""
    *others, inner = extents
    width = lanes(inner)

    def partial(*i: Any) -> Any:
        *own, lane = i
        return total(lambda *r: product(*own, *r[:-1], r[-1] * width + lane), [*others, inner // width])

    partials = te.compute((*case.result.shape, width), partial, name="partials")

    def element(*i: Any) -> Any:
        return _finish(case, _pairwise([partials(*i, lane) for lane in range(width)]), i, bias)

    return result(case, element)


def _pairwise(terms: Sequence[Any]) -> Any:
    half = len(terms) // 2
    return _pairwise(terms[:half]) + _pairwise(terms[half:]) if half else terms[0]


def schedule_dots(schedule: Any, case: Case) -> None:
    """How `dots` are computed: a few at a time, each as a vector of partial sums."""
    partials, end = schedule.get_sblock("partials"), schedule.get_sblock("y0")
    schedule.set_scope(partials, 0, "local")
    *outer, last = schedule.get_loops(end)
    several, each = schedule.split(last, [None, largest_divisor(extent(schedule, last), _DOTS)])
    rank = len(outer) + 1
    schedule.compute_at(partials, several, preserve_unit_loops=True)
    schedule.unroll(each)
    own = schedule.get_loops(partials)[rank:]
    in_parallel(schedule, [*outer, several, each])
    sum_in_registers(schedule, partials, own[rank + 1 :], own[rank - 1 : rank + 1])

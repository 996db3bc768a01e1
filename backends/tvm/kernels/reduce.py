"""sum, mean and max over some axes, and the gradient of max."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from gradlet.backends.tvm.expressions import reduced, result, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te, tirx
from gradlet.backends.tvm.schedules import tile
from gradlet.ir.axes import axes_of


def _spread(case: Case, operand: int, kept: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Indices of the operand, from those of the axes that stay and of those that are reduced."""
    rank, axes = len(case.shape(operand)), axes_of(case.attrs, len(case.shape(operand)))
    if case.attrs.get("keepdims", False):
        kept = [i for a, i in enumerate(kept) if a not in axes]
    stay, go = iter(kept), iter(others)
    return [next(go) if a in axes else next(stay) for a in range(rank)]


def _extents(case: Case, operand: int = 0) -> list[int]:
    shape = case.shape(operand)
    return [shape[a] for a in axes_of(case.attrs, len(shape))]


def _reduction(reducer: Callable[..., Any], factor: Callable[[int], float] | None = None) -> Kernel:
    def compute(case: Case, x: Read) -> Sequence[Result]:
        scale = factor(math.prod(_extents(case))) if factor else 1

        def element(*kept: Any) -> Any:
            return reduced(reducer, lambda *r: _scaled(x(*_spread(case, 0, kept, r)), scale), _extents(case))

        return [result(case, element)]

    return Kernel(compute, _schedule)


def _schedule(schedule: Any, case: Case) -> None:
    """Reads rows as they lie, where the last axis stays."""
    rank = len(case.shape(0))
    axes = axes_of(case.attrs, rank)
    if axes and rank - 1 not in axes:
        tile(schedule, "y0", row=None)


def _scaled(x: Any, factor: float) -> Any:
    return x if factor == 1 else x * factor


def _max_grad(case: Case, g: Read, x: Read, y: Read) -> Sequence[Result]:
    """Elements that share the maximum share its gradient."""
    axes = axes_of(case.attrs, len(case.shape(1)))

    def kept(indices: Sequence[Any]) -> list[Any]:
        if case.attrs.get("keepdims", False):
            return [0 if a in axes else i for a, i in enumerate(indices)]
        return [i for a, i in enumerate(indices) if a not in axes]

    def tie(*indices: Any) -> Any:
        return (x(*indices) == y(*kept(indices))).astype(case.result.dtype.value)

    ties = te.compute(
        case.shape(0), lambda *k: total(lambda *r: tie(*_spread(case, 1, k, r)), _extents(case, 1)), name="ties"
    )
    return [
        result(case, lambda *i: tirx.Select(x(*i) == y(*kept(i)), g(*kept(i)) / ties(*kept(i)), 0.0)),
    ]


KERNELS = {
    "sum": _reduction(te.sum),
    "mean": _reduction(te.sum, lambda count: 1 / count),
    "max": _reduction(te.max),
    "max_grad": Kernel(_max_grad),
}

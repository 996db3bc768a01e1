"""sum, mean, max and min over some axes, and the gradient of the extremes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from gradlet.backends.tvm.expressions import reduced, result, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te, tirx
from gradlet.backends.tvm.reduced_axes import extents, spread
from gradlet.backends.tvm.schedules import tile
from gradlet.ir.axes import axes_of


def _reduction(reducer: Callable[..., Any], factor: Callable[[int], float] | None = None) -> Kernel:
    def compute(case: Case, x: Read) -> Sequence[Result]:
        scale = factor(math.prod(extents(case))) if factor else 1

        def element(*kept: Any) -> Any:
            return reduced(reducer, lambda *r: _scaled(x(*spread(case, 0, kept, r)), scale), extents(case))

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
        case.shape(0), lambda *k: total(lambda *r: tie(*spread(case, 1, k, r)), extents(case, 1)), name="ties"
    )
    return [
        result(case, lambda *i: tirx.Select(x(*i) == y(*kept(i)), g(*kept(i)) / ties(*kept(i)), 0.0)),
    ]


KERNELS = {
    "sum": _reduction(te.sum),
    "mean": _reduction(te.sum, lambda count: 1 / count),
    "max": _reduction(te.max),
    "min": _reduction(te.min),
    "max_grad": Kernel(_max_grad),
}

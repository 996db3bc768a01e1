"""The indices of what is reduced over some axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.kernel import Case
from gradlet.ir.axes import axes_of


def spread(case: Case, operand: int, kept: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Indices of the operand, from those of the axes that stay and of those that are reduced."""
    rank, axes = len(case.shape(operand)), axes_of(case.attrs, len(case.shape(operand)))
    if case.attrs.get("keepdims", False):
        kept = [i for a, i in enumerate(kept) if a not in axes]
    stay, go = iter(kept), iter(others)
    return [next(go) if a in axes else next(stay) for a in range(rank)]


def extents(case: Case, operand: int = 0) -> list[int]:
    """Of the axes that are reduced."""
    shape = case.shape(operand)
    return [shape[a] for a in axes_of(case.attrs, len(shape))]

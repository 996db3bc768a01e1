"""Nests of loops over tensors, made as short as possible before C runs them (kernels/loops.h)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradlet.ir.graph import Value

# As in kernels/loops.h.
MAX_LOOPS = 8


def row_major(shape: Sequence[int]) -> list[int]:
    """Elements from one index to the next, along each axis."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def broadcast_steps(shape: Sequence[int], to: Sequence[int]) -> list[int]:
    """Steps through an operand of this shape while the loops run over `to`: 0 where it is repeated."""
    steps = [0 if n == 1 else step for n, step in zip(shape, row_major(shape), strict=True)]
    return [0] * (len(to) - len(shape)) + steps


def loops(sizes: Sequence[int], a: Sequence[int], b: Sequence[int] = ()) -> tuple[int, ...]:
    """What C wants: the number of loops, then size, step in a and step in b of each, the outermost first.

    Neighbours that one loop can do are merged: two tensors of one shape need a single loop.
    """
    merged: list[tuple[int, int, int]] = []
    for size, *steps in zip(sizes, a, b or [0] * len(sizes), strict=True):
        if size == 1:
            continue
        if merged and merged[-1][1:] == (steps[0] * size, steps[1] * size):
            size *= merged.pop()[0]
        merged.append((size, steps[0], steps[1]))
    merged = merged or [(1, 0, 0)]
    assert len(merged) <= MAX_LOOPS, f"{len(merged)} loops over {tuple(sizes)}"
    return (len(merged), *(n for axis in merged for n in axis))


def pair_loops(a: Value, b: Value, y: Value) -> tuple[int, ...]:
    """`loops` over a result, whose operands may be repeated."""
    to = y.type.shape
    return loops(to, broadcast_steps(a.type.shape, to), broadcast_steps(b.type.shape, to))

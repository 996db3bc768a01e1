"""Loop orders that keep sums in registers: how linear ops, and sums over rows, are scheduled."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

# Floats: a vector of this machine, and what a tile of sums may take of its registers.
_LANES = 8
_TILE = 12 * _LANES


def threads() -> int:
    """How many threads loops are made for: one unless TVM is told otherwise, so that nothing depends on timing."""
    return int(os.environ.get("TVM_NUM_THREADS", "1"))


def largest_divisor(extent: int, limit: int, multiple: int = 1) -> int:
    """The largest divisor of `extent` up to `limit` that is a multiple of `multiple`; 1 if there is none."""
    found = [d for d in range(multiple, min(extent, limit) + 1, multiple) if extent % d == 0]
    return found[-1] if found else 1


def lanes(extent: int) -> int:
    """How many neighbours along an axis of this extent a vector takes."""
    whole = largest_divisor(extent, 2 * _LANES, _LANES)
    return whole if whole > 1 else largest_divisor(extent, 2 * _LANES)


def tile(schedule: Any, name: str, end: str = "", vector: int = -1, row: int | None = -2) -> None:
    """Computes a tile of the tensor `name` of sums at a time: each step of the sum adds to all of the tile.

    Args:
        schedule: Of the function.
        name: What the tensor is called.
        end: The tensor that reads each sum once, at the same place; it follows tile by tile. Empty: there is none.
        vector: Axis of the tensor whose neighbours lie in one vector.
        row: Axis of which a tile takes several indices; None: one only.
    """
    sums = schedule.get_sblock(name)
    last = schedule.get_sblock(end) if end else schedule.cache_write(sums, 0, "local")
    if end:
        schedule.set_scope(sums, 0, "local")
    rank = len(schedule.get_loops(last))
    axes = [vector % rank] if row is None else [row % rank, vector % rank]
    outer, inner = _split(schedule, last, axes)
    schedule.compute_at(sums, outer[-1], preserve_unit_loops=True)
    in_registers(schedule, inner)
    own = schedule.get_loops(sums)[rank:]
    in_parallel(schedule, outer)
    # Last: it takes the sums apart, and TVM no longer sees what they are.
    sum_in_registers(schedule, sums, own[rank:], [own[axis] for axis in axes])


def _split(schedule: Any, block: Any, axes: Sequence[int]) -> tuple[list[Any], list[Any]]:
    """The loops over tiles, and those in a tile: one for each of `axes`, the last of them for vectors."""
    loops = schedule.get_loops(block)
    width = lanes(extent(schedule, loops[axes[-1]]))
    limits = dict.fromkeys(axes, _TILE // max(width, _LANES)) | {axes[-1]: width}
    halves = {
        a: schedule.split(loops[a], [None, largest_divisor(extent(schedule, loops[a]), n)]) for a, n in limits.items()
    }
    outer = [halves[a][0] if a in halves else loop for a, loop in enumerate(loops)]
    inner = [halves[a][1] for a in axes]
    schedule.reorder(*outer, *inner)
    return outer, inner


def sum_in_registers(schedule: Any, block: Any, reductions: Sequence[Any], inner: Sequence[Any]) -> None:
    """Adds to all of `inner` in each step of the reductions."""
    schedule.reorder(*reductions, *inner)
    in_registers(schedule, inner)
    start = schedule.decompose_reduction(block, reductions[0])
    in_registers(schedule, schedule.get_loops(start)[-len(inner) :])


def vectors(*names: str) -> Callable[[Any, Any], None]:
    """A schedule for elementwise stages: LLVM finds no vectors by itself where each product is rounded."""

    def schedule(schedule: Any, case: Any) -> None:
        for name in names:
            loops = schedule.get_loops(schedule.get_sblock(name))
            width = lanes(extent(schedule, loops[-1])) if loops else 1
            if width > 1:
                schedule.vectorize(schedule.split(loops[-1], [None, width])[1])

    return schedule


def in_registers(schedule: Any, loops: Sequence[Any]) -> None:
    """The last of the loops as vectors, the others written out."""
    schedule.vectorize(loops[-1])
    for loop in loops[:-1]:
        schedule.unroll(loop)


def in_parallel(schedule: Any, loops: Sequence[Any]) -> None:
    """The loops over the threads, where there are several."""
    if threads() > 1:
        schedule.parallel(schedule.fuse(*loops[:-1]) if len(loops) > 1 else loops[0])


def extent(schedule: Any, loop: Any) -> int:
    return int(schedule.get(loop).extent)

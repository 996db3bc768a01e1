"""The placement problem: sizes, who lives with whom, and greedy placement in a given order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from gradlet.ir.memory_plan import Slot, lower_bound

_NOWHERE = -1


class Problem:
    """Slots to place; conflicting ones, which live at the same time, may not share bytes.

    Attributes:
        sizes: Bytes of each slot, rounded up to the alignment.
        conflicts: For each slot the indices of those that live with it.
        pinned: Index -> offset, for slots that have their place.
        bound: No placement is lower.
    """

    def __init__(self, slots: Sequence[Slot], alignment: int, pinned: dict[int, int] | None = None):
        self.slots = slots
        self.sizes = [-(-s.size // alignment) * alignment for s in slots]
        self.conflicts = _conflicts(slots)
        self.pinned = pinned or {}
        self.bound = lower_bound(slots, alignment)

    def place(self, order: Sequence[int], fit: Callable[[int, list[tuple[int, int]]], int] | None = None) -> list[int]:
        """The offsets when slots are placed in this order, each where `fit` says: by default as low as it can lie."""
        fit = fit or lowest
        offsets = [_NOWHERE] * len(self.slots)
        for k, offset in self.pinned.items():
            offsets[k] = offset
        for k in order:
            if k not in self.pinned:
                offsets[k] = fit(self.sizes[k], self._taken(k, offsets))
        return offsets

    def _taken(self, k: int, offsets: list[int]) -> list[tuple[int, int]]:
        """The byte ranges that slot `k` may not use, sorted."""
        return sorted((offsets[j], offsets[j] + self.sizes[j]) for j in self.conflicts[k] if offsets[j] != _NOWHERE)

    def height(self, offsets: Sequence[int]) -> int:
        return max((o + s for o, s in zip(offsets, self.sizes, strict=True)), default=0)

    def sorted_by(self, key: Callable[[int], tuple[int, ...]]) -> list[int]:
        return sorted(range(len(self.slots)), key=key)


def lowest(size: int, taken: list[tuple[int, int]]) -> int:
    """The lowest offset with `size` free bytes."""
    offset = 0
    for begin, end in taken:
        if begin - offset >= size:
            break
        offset = max(offset, end)
    return offset


def tightest(size: int, taken: list[tuple[int, int]]) -> int:
    """The offset of the smallest gap that holds `size` bytes; above everything if there is none."""
    merged = [(0, 0)]
    for begin, end in taken:
        merged.append((begin, max(end, merged[-1][1])))
    gaps = [(b[0] - a[1], a[1]) for a, b in pairwise(merged) if b[0] - a[1] >= size]
    return min(gaps, default=(0, merged[-1][1]))[1]


def _conflicts(slots: Sequence[Slot]) -> list[list[int]]:
    conflicts: list[list[int]] = [[] for _ in slots]
    alive: list[int] = []
    for k in sorted((k for k in range(len(slots)) if slots[k].size), key=lambda k: slots[k].first):
        alive = [j for j in alive if slots[j].last >= slots[k].first]
        for j in alive:
            conflicts[j].append(k)
            conflicts[k].append(j)
        alive.append(k)
    return conflicts

"""Computes large weight gradients part by part, where a whole one makes the arena larger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from gradlet.ir.graph import Graph, Node, Phase
from gradlet.ir.memory_plan import Slot, live_slots, lower_bound
from gradlet.ir.passes import Context
from gradlet.optimizers.clone import clone
from gradlet.optimizers.gradient_parts import Cut, divide, find_cuts, joined
from gradlet.optimizers.passes.early_update import EarlyUpdate
from gradlet.optimizers.schedule import WIDTH


@dataclass(frozen=True)
class SplitUpdates:
    """Every part of a gradient is followed by its update; as few gradients and parts as reach the lowest peak found.

    Attributes:
        max_parts: Of one gradient: each is some calls in the emitted code.
        min_bytes: No part of a gradient is smaller, and all splits together have to save as much.
        width: As of early_update, whose schedules are compared.
    """

    name: ClassVar[str] = "split_updates"
    max_parts: int = 16
    min_bytes: int = 1024
    width: int = WIDTH

    def run(self, graph: Graph, context: Context) -> bool:
        model = clone(graph)
        context.choose(model)  # schedules have to know working memory
        most = {cut: self._most(cut) for cut in find_cuts(model, context.ops) if self._most(cut) > 1}
        if not most:
            return False
        whole = self._schedule(model, context, {})
        best = self._lowest(model, context, most, whole)
        parts = best.fewest_parts()
        trial = clone(graph)
        divide(trial, context.ops, best.order, parts)
        context.choose(trial)
        if lower_bound(live_slots(trial, context.ops)) > whole.peak - self.min_bytes:
            return False
        divide(graph, context.ops, best.order, parts)
        return True

    def _most(self, cut: Cut) -> int:
        return min(self.max_parts, cut.gradient_bytes // self.min_bytes)

    def _lowest(self, graph: Graph, context: Context, most: Mapping[Cut, int], whole: _Schedule) -> _Schedule:
        """Cuts the gradients that are alive where the arena is fullest, and those of their size, again and again."""
        best = trial = whole
        while alive := [c for c in most if c not in trial.parts and c.gradient in trial.alive_at_peak]:
            least = min(c.gradient_bytes for c in alive)
            trial = self._schedule(graph, context, {c: n for c, n in most.items() if c.gradient_bytes >= least})
            best = min(best, trial, key=lambda schedule: schedule.peak)
        return best

    def _schedule(self, graph: Graph, context: Context, parts: Mapping[Cut, int]) -> _Schedule:
        """The better of two: parts as soon as they can be, and parts when the search likes."""
        found = []
        for phase in (Phase.UPDATE, Phase.BACKWARD) if parts else (Phase.UPDATE,):
            model, meaning = joined(graph, parts, phase)
            EarlyUpdate(self.width).run(model, context)
            found.append(_Schedule.of(model, meaning, live_slots(model, context.ops), parts))
        return min(found, key=lambda schedule: schedule.peak)


@dataclass(frozen=True)
class _Schedule:
    """What a schedule of a joined graph would need.

    Attributes:
        parts: How many of each cut.
        order: Indices of the graph's nodes, and cuts.
        alive: Bytes at each step.
        peak: The most of them; inputs, before the first step, count as well.
        alive_at_peak: Of the nodes, those whose results are alive at a step with the most bytes.
    """

    parts: Mapping[Cut, int]
    order: tuple[int | Cut, ...]
    alive: tuple[int, ...]
    peak: int
    alive_at_peak: frozenset[int | Cut]

    @staticmethod
    def of(graph: Graph, meaning: Mapping[Node, int | Cut], slots: list[Slot], parts: Mapping[Cut, int]) -> _Schedule:
        peak, steps = lower_bound(slots), range(len(graph.nodes))
        alive = tuple(sum(s.size for s in slots if s.first <= step <= s.last) for step in steps)
        full = [step for step in steps if alive[step] == peak]
        at_peak = [s for s in slots if any(s.first <= step <= s.last for step in full)]
        makers = frozenset(meaning[v.producer] for s in at_peak for v in s.values if v.producer)
        return _Schedule(parts, tuple(meaning[n] for n in graph.nodes), alive, peak, makers)

    def fewest_parts(self) -> dict[Cut, int]:
        """So few parts of each cut that the peak stays."""
        fewest: dict[Cut, int] = {}
        for alive, cut in zip(self.alive, self.order, strict=True):
            if isinstance(cut, Cut):
                room = self.peak - alive + cut.bytes(self.parts[cut])
                fewest[cut] = next(count for count in range(1, self.parts[cut] + 1) if cut.bytes(count) <= room)
        return fewest


PASS = SplitUpdates

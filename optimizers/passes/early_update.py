"""Reorders the step so that few bytes are alive at once: above all, every update follows its gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gradlet.ir.graph import Graph, Node, Phase
from gradlet.ir.memory_plan import live_slots, lower_bound
from gradlet.ir.op_def import OpSet
from gradlet.ir.passes import Context
from gradlet.optimizers.schedule import WIDTH, Scheduler, is_allowed, low_now, low_so_far, updates_moved_up


@dataclass(frozen=True)
class EarlyUpdate:
    """Takes the best of several schedules; the one it found stays if none is better.

    Attributes:
        width: Partial schedules that the search keeps at every step.
    """

    name: ClassVar[str] = "early_update"
    width: int = WIDTH

    def run(self, graph: Graph, context: Context) -> bool:
        old = list(graph.nodes)
        best, best_cost = old, memory_cost(graph, context.ops, old)
        for order in self._candidates(graph, context.ops):
            assert is_allowed(graph, order), f"{graph.name}: a schedule breaks a dependence"
            cost = memory_cost(graph, context.ops, order)
            if cost < best_cost:
                best, best_cost = order, cost
        graph.nodes[:] = best
        if best == old:
            return False
        graph.renumber()
        return True

    def _candidates(self, graph: Graph, ops: OpSet) -> list[list[Node]]:
        forward = next((i for i, n in enumerate(graph.nodes) if n.phase is not Phase.FORWARD), len(graph.nodes))
        scheduler = Scheduler(graph, ops)
        starts = dict.fromkeys((forward, 0))
        searched = [scheduler.search(start, self.width, cost) for start in starts for cost in (low_now, low_so_far)]
        return [updates_moved_up(graph), *searched]


def memory_cost(graph: Graph, ops: OpSet, order: list[Node]) -> tuple[int, int]:
    """Most bytes alive at one step, and the sum over all steps, if the nodes ran in this order."""
    present = list(graph.nodes)
    graph.nodes[:] = order
    slots = live_slots(graph, ops)
    graph.nodes[:] = present
    return lower_bound(slots), sum(s.size * (s.last - s.first + 1) for s in slots)


PASS = EarlyUpdate

"""Where each value of a graph lies: in the arena, by the plan, or in a state's own array."""

from __future__ import annotations

from dataclasses import dataclass

from gradlet.ir.graph import Graph, Node, Value, storage
from gradlet.ir.memory_plan import MemoryPlan, Slot, height, live_slots, lower_bound
from gradlet.ir.op_def import OpSet

_ALIGNMENT = 64


@dataclass(frozen=True)
class Place:
    """Where a value begins: bytes into the arena, or the array of the state that is named."""

    offset: int = 0
    state: str = ""


def plan_of(graph: Graph, ops: OpSet) -> MemoryPlan:
    """The graph's plan; for one that has none, its slots one after the other."""
    if graph.plan is not None:
        return graph.plan
    slots: list[Slot] = []
    for slot in live_slots(graph, ops):
        slots.append(slot.at(-(-height(slots) // _ALIGNMENT) * _ALIGNMENT))
    return MemoryPlan(tuple(slots), height(slots), lower_bound(slots), _ALIGNMENT, "one after the other")


def scratch_places(graph: Graph, plan: MemoryPlan) -> dict[Node, Slot]:
    """The planned working memory of the nodes that have some."""
    return {graph.nodes[slot.first]: slot for slot in plan.slots if not slot.values}


def places(graph: Graph, plan: MemoryPlan) -> dict[Value, Place]:
    """The place of every value."""
    offsets = plan.offsets()
    states = {state.value: Place(state=state.name) for state in graph.states}
    return {v: states.get(storage(v)) or Place(offsets[v]) for v in graph.values()}

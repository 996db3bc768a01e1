"""What is alive when the arena is fullest, and why."""

from __future__ import annotations

from dataclasses import dataclass

from gradlet.ir.graph import Graph, Node, Value
from gradlet.ir.memory_plan import MemoryPlan, Slot


@dataclass(frozen=True)
class Alive:
    """One slot at the peak.

    Attributes:
        name: The value; empty for the working memory of a kernel.
        place: In the user's model.
        why: What it is waiting for.
    """

    bytes: int
    name: str
    place: str
    why: str


def peak_step(plan: MemoryPlan) -> int:
    """The first step of the schedule with the most bytes alive."""
    last = max((s.last for s in plan.slots), default=0)
    alive = [sum(s.size for s in plan.slots if s.first <= step <= s.last) for step in range(-1, last + 1)]
    return alive.index(max(alive)) - 1


def alive_at_peak(graph: Graph, plan: MemoryPlan) -> list[Alive]:
    """The slots alive at the peak, the largest first."""
    step = peak_step(plan)
    slots = sorted((s for s in plan.slots if s.first <= step <= s.last), key=lambda s: -s.size)
    return [_explained(graph, slot, step) for slot in slots]


def _explained(graph: Graph, slot: Slot, step: int) -> Alive:
    position = {node: i for i, node in enumerate(graph.nodes)}
    if not slot.values:
        return Alive(slot.size, "", graph.nodes[step].loc, f"working memory of {graph.nodes[step].op}")
    value = _present(slot, step, position)
    place = value.producer.loc if value.producer else "input"
    return Alive(slot.size, str(value), place, _reason(graph, value, step, position))


def _present(slot: Slot, step: int, position: dict[Node, int]) -> Value:
    """The value of a chain that lies in the slot at this step."""
    made = [v for v in slot.values if v.producer is None or position[v.producer] <= step]
    return made[-1]


def _reason(graph: Graph, value: Value, step: int, position: dict[Node, int]) -> str:
    readers = sorted(((position[n], n) for n in set(value.users) if position[n] >= step), key=lambda r: r[0])
    if readers:
        index, node = readers[-1]
        verb = "read now" if index == step else "kept"
        return f"{verb} for {node.op}" + (f" ({node.phase.value} of {node.loc})" if node.loc else "")
    return "output" if value in graph.outputs else "written now"


def print_alive(rows: list[Alive], limit: int = 12) -> str:
    """A table, one line a value."""
    shown = [(f"{r.bytes:,}", r.name or "-", r.place or "-", r.why) for r in rows[:limit]]
    if len(rows) > limit:
        rest = sum(r.bytes for r in rows[limit:])
        shown.append((f"{rest:,}", f"and {len(rows) - limit} more", "", ""))
    table = [("bytes", "value", "place", "why"), *shown]
    widths = [max(len(row[k]) for row in table) for k in range(3)]
    return "\n".join(f"{b:>{widths[0]}}  {n:<{widths[1]}}  {p:<{widths[2]}}  {w}".rstrip() for b, n, p, w in table)


def print_plan(plan: MemoryPlan) -> str:
    """The arena as text: its size, and every slot by offset."""
    head = f"arena {plan.arena_bytes} bytes, lower bound {plan.lower_bound} ({plan.algorithm})"
    rows = sorted(plan.slots, key=lambda s: (s.offset, s.first))
    lines = [f"  [{s.offset}, {s.end}) nodes {s.first} to {s.last}: {_contents(s)}" for s in rows]
    return "\n".join([head, *lines])


def _contents(slot: Slot) -> str:
    return ", ".join(map(str, slot.values)) or "working memory"

"""Where each transient value lives in the arena, and the proof that no two collide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gradlet.ir.graph import Graph, Node, Value, storage
from gradlet.ir.op_def import OpSet


@dataclass(frozen=True)
class Slot:
    """Bytes [offset, offset + size) of the arena during the steps [first, last] of the schedule.

    Attributes:
        values: What lies there: one value, or a chain of values that each take over the dying one's bytes; empty
            for the working memory of a kernel.
        first: Index of the node that writes it first; -1 for an input, which is there before the first node.
        last: Index of the last node that reads it; the number of nodes for an output.
    """

    values: tuple[Value, ...]
    first: int
    last: int
    size: int
    offset: int = 0

    @property
    def end(self) -> int:
        return self.offset + self.size

    def lives_with(self, other: Slot) -> bool:
        return self.first <= other.last and other.first <= self.last

    def collides(self, other: Slot) -> bool:
        return self.lives_with(other) and self.offset < other.end and other.offset < self.end

    def at(self, offset: int) -> Slot:
        return replace(self, offset=offset)


@dataclass(frozen=True)
class MemoryPlan:
    """The arena of one graph.

    Attributes:
        arena_bytes: Size of the arena.
        lower_bound: Largest number of bytes alive at one step: no placement of these slots needs less.
        alignment: Every offset is a multiple of it.
        algorithm: What placed the slots.
    """

    slots: tuple[Slot, ...]
    arena_bytes: int
    lower_bound: int
    alignment: int = 4
    algorithm: str = ""

    def offsets(self) -> dict[Value, int]:
        return {v: slot.offset for slot in self.slots for v in slot.values}


def live_slots(graph: Graph, ops: OpSet) -> list[Slot]:
    """The slots to place, all at offset 0: what is alive when; states have storage of their own.

    A value whose op may overwrite a dying input shares that input's slot.
    """
    step = {node: i for i, node in enumerate(graph.nodes)}
    last = {v: max((step[n] for n in v.users), default=-1) for v in graph.values()}
    last |= dict.fromkeys(graph.outputs, len(graph.nodes))
    home = {v: v for v in graph.inputs}
    for i, node in enumerate(graph.nodes):
        for k, value in enumerate(node.outputs):
            home[value] = _home(node, k, value, ops, {v for v in node.inputs if last[v] == i and v in home}, home)
    states = {state.value for state in graph.states}
    chains: dict[Value, list[Value]] = {}
    for value, root in home.items():
        if storage(value) not in states:
            chains.setdefault(root, []).append(value)
    slots = [
        Slot(
            tuple(chain),
            step[root.producer] if root.producer else -1,
            max(step[root.producer] if root.producer else -1, *(last[v] for v in chain)),
            max(v.type.bytes for v in chain),
        )
        for root, chain in chains.items()
    ]
    scratch = [(i, n.choice.scratch_bytes) for i, n in enumerate(graph.nodes) if n.choice]
    return slots + [Slot((), i, i, size) for i, size in scratch if size]


def _home(node: Node, k: int, value: Value, ops: OpSet, dying: set[Value], home: dict[Value, Value]) -> Value:
    """The first value of the slot that output `k` goes to."""
    if value.overwrites is not None:
        return home.get(value.overwrites, value)
    taken = {home.get(v) for v in node.outputs[:k]}
    for index in ops[node.op].may_overwrite.get(k, ()):
        source = node.inputs[index]
        if source in dying and source.type.bytes >= value.type.bytes and home[source] not in taken:
            return home[source]
    return value


def lower_bound(slots: Iterable[Slot], alignment: int = 1) -> int:
    """The largest number of bytes alive at one step: no placement needs less."""
    change: Counter[int] = Counter()
    for slot in slots:
        size = -(-slot.size // alignment) * alignment
        change[slot.first] += size
        change[slot.last + 1] -= size
    peak = alive = 0
    for step in sorted(change):
        alive += change[step]
        peak = max(peak, alive)
    return peak


def check(graph: Graph, ops: OpSet, plan: MemoryPlan) -> None:
    """Raises AssertionError unless every value has its bytes for as long as it is needed.

    Replays the schedule on a map of the arena, byte ranges to values; shares no code with what makes plans.
    """
    offsets = plan.offsets()
    states = {state.value for state in graph.states}
    holds: dict[Value, tuple[int, int]] = {}
    for value in graph.inputs:
        _occupy(holds, value, offsets, plan)
    for node in graph.nodes:
        for value in node.inputs:
            assert storage(value) in states or value in holds, f"{value} is lost before `{node}` reads it"
        allowed = {
            v: {node.inputs[i] for i in ops[node.op].may_overwrite.get(k, ())} for k, v in enumerate(node.outputs)
        }
        fresh: dict[Value, tuple[int, int]] = {}
        for value in node.outputs:
            if storage(value) in states:
                continue
            _occupy(fresh, value, offsets, plan)
            for other in node.inputs:
                legal = value.overwrites is other or (other in allowed[value] and offsets.get(other) == offsets[value])
                overlap = other in holds and _overlap(holds[other], fresh[value])
                assert legal or not overlap, f"`{node}` writes {value} over its operand {other}"
        holds = {v: r for v, r in holds.items() if not any(_overlap(r, f) for f in fresh.values())} | fresh
    for value in graph.outputs:
        assert storage(value) in states or value in holds, f"output {value} is lost before the end"


def _occupy(holds: dict[Value, tuple[int, int]], value: Value, offsets: Mapping[Value, int], plan: MemoryPlan) -> None:
    assert value in offsets, f"{value} has no place"
    begin, end = offsets[value], offsets[value] + value.type.bytes
    assert begin % plan.alignment == 0, f"{value} is not aligned"
    assert begin >= 0 and end <= plan.arena_bytes, f"{value} lies outside of the arena"
    for other, taken in holds.items():
        assert not _overlap(taken, (begin, end)), f"{value} and {other} share bytes"
    holds[value] = (begin, end)


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[0] < a[1] and b[0] < b[1]


def height(slots: Sequence[Slot]) -> int:
    """Bytes from the start of the arena to the end of its highest slot."""
    return max((slot.end for slot in slots), default=0)

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
    for source in replaceable(node, k, ops):
        if source in dying and source.type.bytes >= value.type.bytes and home[source] not in taken:
            return home[source]
    return value


def replaceable(node: Node, k: int, ops: OpSet) -> list[Value]:
    """The operands whose storage output `k` may take when they die: allowed at every place where they are read."""
    allowed = ops[node.op].lenders(node, k)
    refused = {v for i, v in enumerate(node.inputs) if i not in allowed}
    return [node.inputs[i] for i in allowed if node.inputs[i] not in refused]


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

    Replays the schedule on a map of the arena, values to byte ranges; shares no code with what makes plans.
    """
    _check_claims(plan)
    offsets = plan.offsets()
    states = {state.value for state in graph.states}
    holds: dict[Value, _Range] = {}
    for value in graph.inputs:
        _occupy(holds, value, offsets, plan)
    for step, node in enumerate(graph.nodes):
        for value in node.inputs:
            assert storage(value) in states or value in holds, f"{value} is lost before `{node}` reads it"
        fresh: dict[Value, _Range] = {}
        for k, value in enumerate(node.outputs):
            if storage(value) not in states:
                _occupy(fresh, value, offsets, plan)
                _check_operands(node, k, holds, fresh[value], ops)
        used = {v: holds[v] for v in node.inputs if v in holds} | fresh
        # What is written over is lost; that nobody reads it any more shows later.
        written = [*_check_scratch(node, step, plan, used), *fresh.values()]
        holds = {v: r for v, r in holds.items() if not any(_overlap(r, w) for w in written)} | fresh
    for value in graph.outputs:
        assert storage(value) in states or value in holds, f"output {value} is lost before the end"


_Range = tuple[int, int]


def _check_claims(plan: MemoryPlan) -> None:
    """What the plan says about itself."""
    placed = Counter(v for slot in plan.slots for v in slot.values)
    twice = [v for v, count in placed.items() if count > 1]
    assert not twice, f"{twice[0]} has two places"
    assert plan.lower_bound <= plan.arena_bytes, f"{plan.arena_bytes} bytes are below the bound of {plan.lower_bound}"


def _check_operands(node: Node, k: int, holds: Mapping[Value, _Range], written: _Range, ops: OpSet) -> None:
    """Output `k` may lie over an operand only as its op promises: from the same byte on."""
    value, indices = node.outputs[k], ops[node.op].lenders(node, k)
    for index, other in enumerate(node.inputs):
        if other not in holds or not _overlap(holds[other], written):
            continue
        # A smaller operand is repeated: it would be read again after it is written over.
        legal = value.overwrites is other or (index in indices and other.type.bytes >= value.type.bytes)
        assert legal, f"`{node}` writes {value} over its operand {other}"
        assert holds[other][0] == written[0], f"`{node}` writes {value} over a part of its operand {other}"
    if value.overwrites is not None and value.overwrites in holds:
        assert holds[value.overwrites] == written, f"{value} does not lie where {value.overwrites} does"


def _check_scratch(node: Node, step: int, plan: MemoryPlan, used: Mapping[Value, _Range]) -> list[_Range]:
    """Working memory is there while its node runs, apart from its operands and results; returns where."""
    size = node.choice.scratch_bytes if node.choice else 0
    if not size:
        return []
    slots = [s for s in plan.slots if not s.values and s.first <= step <= s.last and s.size >= size]
    assert slots, f"`{node}` has no place for {size} bytes of working memory"
    for slot in slots:
        assert slot.offset % plan.alignment == 0, f"the working memory of `{node}` is not aligned"
        assert slot.offset >= 0 and slot.end <= plan.arena_bytes, f"the working memory of `{node}` is outside"
        for value, taken in used.items():
            assert not _overlap(taken, (slot.offset, slot.end)), f"{value} lies in the working memory of `{node}`"
    return [(slot.offset, slot.end) for slot in slots]


def _occupy(holds: dict[Value, _Range], value: Value, offsets: Mapping[Value, int], plan: MemoryPlan) -> None:
    assert value in offsets, f"{value} has no place"
    begin, end = offsets[value], offsets[value] + value.type.bytes
    assert begin % plan.alignment == begin % value.type.dtype.numpy.itemsize == 0, f"{value} is not aligned"
    assert begin >= 0 and end <= plan.arena_bytes, f"{value} lies outside of the arena"
    for other, taken in holds.items():
        assert not _overlap(taken, (begin, end)), f"{value} and {other} share bytes"
    holds[value] = (begin, end)


def _overlap(a: _Range, b: _Range) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[0] < a[1] and b[0] < b[1]


def height(slots: Sequence[Slot]) -> int:
    """Bytes from the start of the arena to the end of its highest slot."""
    return max((slot.end for slot in slots), default=0)

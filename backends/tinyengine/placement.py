"""The arena of graphs that come without a memory plan: every slot has bytes of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradlet.backends.tinyengine.kernel import Kernel
from gradlet.ir.graph import Graph, Node
from gradlet.ir.memory_plan import MemoryPlan, Slot, check, live_slots, lower_bound
from gradlet.ir.plugin import Toolbox
from gradlet.ir.target import Target


def place(
    graphs: Sequence[Graph], kernels: Mapping[Node, Kernel], target: Target, toolbox: Toolbox
) -> dict[Graph, MemoryPlan]:
    """The plan of each graph, checked."""
    plans: dict[Graph, MemoryPlan] = {}
    inputs: dict[str, int] = {}
    for graph in graphs:
        plans[graph] = graph.plan or _side_by_side(graph, kernels, target, toolbox, inputs)
        check(graph, toolbox.ops, plans[graph])
        offsets = plans[graph].offsets()
        for value in graph.inputs:
            first = inputs.setdefault(value.name, offsets[value])
            assert first == offsets[value], f"{graph.name}: input {value} lies at {offsets[value]} and at {first}"
    return plans


def _side_by_side(
    graph: Graph, kernels: Mapping[Node, Kernel], target: Target, toolbox: Toolbox, inputs: Mapping[str, int]
) -> MemoryPlan:
    """Inputs that another graph has too lie where they lie there (`inputs`: name -> offset), all else above them."""
    slots = [s for s in live_slots(graph, toolbox.ops) if s.values]
    slots += [Slot((), i, i, size) for i, n in enumerate(graph.nodes) if (size := kernels[n].scratch(n))]
    fixed = {s: inputs[s.values[0].name] for s in slots if s.first == -1 and s.values[0].name in inputs}
    top = max((offset + slot.size for slot, offset in fixed.items()), default=0)
    placed = [slot.at(offset) for slot, offset in fixed.items()]
    for slot in (s for s in slots if s not in fixed):
        offset = -(-top // target.alignment) * target.alignment
        placed.append(slot.at(offset))
        top = offset + slot.size
    return MemoryPlan(tuple(placed), top, lower_bound(slots), target.alignment, "side_by_side")

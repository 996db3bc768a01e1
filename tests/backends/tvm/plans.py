"""Plans for graphs of one node: no memory shared, or a result over an operand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gradlet.ir.graph import Graph
from gradlet.ir.memory_plan import MemoryPlan, Slot, check
from gradlet.tests.ops.cases import TOOLBOX, Case, graph_of

_ALIGNMENT = 4


def overlays(case: Case) -> Iterator[dict[int, int]]:
    """Every way in which the op lets one result take the place of an operand: output -> input."""
    (node,) = graph_of(case).nodes
    for output in case.op.may_overwrite:
        for operand in case.op.lenders(node, output):
            inside = operand < len(node.inputs) and operand not in case.op.writes.values()
            if inside and node.inputs[operand].type.bytes >= node.outputs[output].type.bytes:
                yield {output: operand}


def planned(case: Case, overlay: Mapping[int, int]) -> Graph:
    """The example's graph with a plan that shares just this memory, off the boundaries that vectors would like."""
    graph = graph_of(case)
    (node,) = graph.nodes
    lenders = {node.outputs[o]: node.inputs[i] for o, i in overlay.items()}
    offset, slots = _ALIGNMENT, []
    for value in [*graph.inputs, *(v for v in node.outputs if v.overwrites is None and v not in lenders)]:
        chain = (value, *(taker for taker, lender in lenders.items() if lender is value))
        slots.append(Slot(chain, -1, 1, value.type.bytes, offset))
        offset += -(-(value.type.bytes + 1) // _ALIGNMENT) * _ALIGNMENT
    graph.plan = MemoryPlan(tuple(slots), offset, offset, _ALIGNMENT)
    check(graph, TOOLBOX.ops, graph.plan)
    return graph

"""Computes at compile time what depends on nothing that changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradlet.ir.graph import Graph, Node, State, Value, written_states
from gradlet.ir.passes import Context


@dataclass(frozen=True)
class FoldConstants:
    """Replaces nodes whose operands are all frozen states or constants by a state of their result.

    Attributes:
        max_growth: Bytes that a result may be larger than the operands it is made of; a constant takes flash.
    """

    name: ClassVar[str] = "fold_constants"
    max_growth: int = 1024

    def run(self, graph: Graph, context: Context) -> bool:
        written = written_states(graph)
        known: dict[Value, np.ndarray] = {s.value: s.init for s in graph.states if _is_constant(s, written)}
        folded = False
        for node in list(graph.nodes):
            op = context.ops[node.op]
            if op.writes or any(v not in known for v in node.inputs):
                continue
            results = op.evaluate([known[v] for v in node.inputs], node.attrs)
            arrays = [np.asarray(r).astype(v.type.dtype.numpy) for v, r in zip(node.outputs, results, strict=True)]
            if not node.inputs:  # such as `full`: cheaper than its result, but its users may fold
                known |= zip(node.outputs, arrays, strict=True)
            elif self._is_worth_it(node):
                known |= _replaced(graph, node, arrays)
                folded = True
        if folded:
            graph.renumber()
        return folded

    def _is_worth_it(self, node: Node) -> bool:
        made = sum(v.type.bytes for v in node.outputs)
        return made <= sum(v.type.bytes for v in dict.fromkeys(node.inputs)) + self.max_growth


def _is_constant(state: State, written: set[Value]) -> bool:
    return not state.trainable and state.value not in written


def _replaced(graph: Graph, node: Node, arrays: list[np.ndarray]) -> dict[Value, np.ndarray]:
    """Puts states in the place of the node's outputs."""
    graph.remove(node)
    made = {}
    for output, array in zip(node.outputs, arrays, strict=True):
        value = graph.add_state(graph.free_name(f"{node.loc or 'constant'}.{node.op}"), array, output.type)
        graph.replace_uses(output, value)
        made[value] = array
    return made


PASS = FoldConstants

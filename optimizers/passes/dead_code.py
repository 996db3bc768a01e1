"""Removes what nobody needs: nodes whose results are not read, and states that no node uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gradlet.ir.graph import Graph
from gradlet.ir.passes import Context


@dataclass(frozen=True)
class DeadCode:
    """Keeps what an output or an in-place update depends on."""

    name: ClassVar[str] = "dead_code"

    def run(self, graph: Graph, context: Context) -> bool:
        nodes, states = len(graph.nodes), len(graph.states)
        kept = set(graph.outputs)
        for node in reversed(list(graph.nodes)):
            if not any(v.users or v in kept or v.overwrites for v in node.outputs):
                graph.remove(node)
        graph.states[:] = [s for s in graph.states if s.value.users or s.value in kept]
        changed = (nodes, states) != (len(graph.nodes), len(graph.states))
        if changed:
            graph.renumber()
        return changed


PASS = DeadCode

"""Copies of graphs that can be changed without changing the original."""

from __future__ import annotations

from dataclasses import replace

from gradlet.ir.graph import Graph, Node, State, Value


def clone(graph: Graph) -> Graph:
    """A copy with values and nodes of its own; the arrays of the states are shared, the plan is left out."""
    copies: dict[Value, Value] = {}

    def copy(value: Value) -> Value:
        copies[value] = Value(value.name, value.type)
        return copies[value]

    new = Graph(graph.name, [copy(v) for v in graph.inputs])
    new.states = [State(copy(s.value), s.init, s.role, s.trainable, s.region, s.source) for s in graph.states]
    for node in graph.nodes:
        inputs = [copies[v] for v in node.inputs]
        outputs = [copy(v) for v in node.outputs]
        for old, value in zip(node.outputs, outputs, strict=True):
            value.overwrites = copies[old.overwrites] if old.overwrites is not None else None
        choice = replace(node.choice) if node.choice else None
        new.append(Node(node.op, inputs, outputs, dict(node.attrs), node.phase, node.loc, choice))
    new.outputs = [copies[v] for v in graph.outputs]
    new._serial = graph._serial
    return new

"""The rules every graph obeys between two passes."""

from __future__ import annotations

from collections.abc import Iterator

from gradlet.ir.graph import Graph, Node, Phase, Role, Value, storage
from gradlet.ir.op_def import OpSet

_ORDER = {Phase.FORWARD: 0, Phase.BACKWARD: 1, Phase.UPDATE: 2}


def verify(graph: Graph, ops: OpSet) -> None:
    """Raises AssertionError, with the lines around the broken one, if a rule is broken."""
    _verify_names(graph)
    parameters = {s.value for s in graph.states if s.role is Role.PARAMETER}
    ready = {*graph.inputs, *(state.value for state in graph.states)}
    overwritten: dict[Value, Node] = {}
    for index, node in enumerate(graph.nodes):
        problems = [
            *_operands(node, ready, overwritten),
            *_types(node, ops),
            *_in_place(node, ops),
            *_phases(node, parameters),
        ]
        assert not problems, _at(graph, index, problems[0])
        overwritten |= {v.overwrites: node for v in node.outputs if v.overwrites is not None}
        ready.update(node.outputs)
    lost = [v for v in graph.outputs if v not in ready or v in overwritten]
    assert not lost, f"{graph.name}: output {lost[0]} is not there at the end\n{graph}"
    _verify_users(graph)


def _verify_names(graph: Graph) -> None:
    names: set[str] = set()
    for value in graph.values():
        assert value.name not in names, f"{graph.name}: two values are called {value}\n{graph}"
        names.add(value.name)


def _verify_users(graph: Graph) -> None:
    reads: dict[Value, list[Node]] = {}
    for node in graph.nodes:
        for value in node.inputs:
            reads.setdefault(value, []).append(node)
        for value in node.outputs:
            assert value.producer is node, f"{graph.name}: {value} does not know its producer `{node}`"
    for value in graph.values():
        told, true = [id(n) for n in value.users], [id(n) for n in reads.get(value, [])]
        assert sorted(told) == sorted(true), f"{graph.name}: {value} does not know its users\n{graph}"


def _operands(node: Node, ready: set[Value], overwritten: dict[Value, Node]) -> Iterator[str]:
    for value in node.inputs:
        if value not in ready:
            yield f"reads {value} before it is written"
        if value in overwritten:
            yield f"reads {value}, which `{overwritten[value]}` has overwritten"
    for value in node.outputs:
        if value in ready:
            yield f"defines {value} a second time"


def _types(node: Node, ops: OpSet) -> Iterator[str]:
    types = list(ops[node.op].infer([v.type for v in node.inputs], node.attrs))
    if types != [v.type for v in node.outputs]:
        yield f"should yield {', '.join(map(str, types))}"


def _in_place(node: Node, ops: OpSet) -> Iterator[str]:
    writes = ops[node.op].overwritten(len(node.outputs), len(node.inputs))
    promised = {node.outputs[o]: node.inputs[i] for o, i in writes.items()}
    for value in node.outputs:
        if value.overwrites is not promised.get(value):
            yield f"{value} overwrites {value.overwrites}, its op promises {promised.get(value)}"


def _phases(node: Node, parameters: set[Value]) -> Iterator[str]:
    for value in node.inputs:
        if value.producer and _ORDER[value.producer.phase] > _ORDER[node.phase]:
            yield f"is {node.phase.value} and reads {value} of the {value.producer.phase.value} phase"
    for value in node.outputs:
        if value.overwrites and storage(value) in parameters and node.phase is not Phase.UPDATE:
            yield f"is {node.phase.value} and changes a parameter"


def _at(graph: Graph, index: int, problem: str) -> str:
    shown = range(max(0, index - 2), min(len(graph.nodes), index + 3))
    lines = "\n".join(f"{'>' if k == index else ' '} {graph.nodes[k]}" for k in shown)
    return f"{graph.name}: node {index} {problem}\n{lines}"

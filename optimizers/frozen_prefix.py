"""Divides a model before what learns: the part in front gives the same for a sample however often it is trained on."""

from __future__ import annotations

from dataclasses import dataclass

from gradlet.ir.graph import Graph, Value, storage
from gradlet.optimizers.clone import clone


@dataclass(frozen=True)
class Divided:
    """Two graphs that together are one.

    Attributes:
        frozen: What no training changes, without nodes if that is nothing; its outputs are inputs of `learning`, by
            name.
        learning: The rest, with the outputs of the whole, in their order.
    """

    frozen: Graph
    learning: Graph


def split_at_first_trained(graph: Graph) -> Divided:
    """Cuts a graph along all values that depend on its inputs, but on nothing that changes in a step.

    Args:
        graph: A step, or a forward graph with what learns marked. It stays as it is.
    """
    written = {storage(v) for n in graph.nodes for v in n.outputs if v.overwrites is not None}
    changing = _reached(graph, written.union(s.value for s in graph.states if s.trainable))
    fixed = _reached(graph, set(graph.inputs)) - changing - set(graph.inputs)
    border = [v for v in graph.values() if v in fixed and (v in graph.outputs or changing & _made_of(v))]
    names = {v: graph.free_name(f"frozen{k}" if k else "frozen") for k, v in enumerate(border)}
    return Divided(_front(graph, names, changing), _rest(graph, names))


def _reached(graph: Graph, starts: set[Value]) -> set[Value]:
    """What depends on any of these values, and they."""
    reached = set(starts)
    for node in graph.nodes:
        if reached.intersection(node.inputs):
            reached.update(node.outputs)
    return reached


def _made_of(value: Value) -> set[Value]:
    return {v for user in value.users for v in user.outputs}


def _front(graph: Graph, names: dict[Value, str], changing: set[Value]) -> Graph:
    front = clone(graph)
    front.name = f"{graph.name}_frozen"
    copies = dict(zip(graph.values(), front.values(), strict=True))
    for node, copy in reversed(list(zip(graph.nodes, front.nodes, strict=True))):
        if changing.intersection(node.outputs):
            front.remove(copy)
    front.outputs = [copies[v] for v in names]
    _remove_unread(front)
    for old, name in names.items():
        copies[old].name = name
    front.renumber()
    return front


def _rest(graph: Graph, names: dict[Value, str]) -> Graph:
    rest = clone(graph)
    copies = dict(zip(graph.values(), rest.values(), strict=True))
    for old, name in names.items():
        rest.replace_uses(copies[old], rest.add_input(name, old.type))
    _remove_unread(rest)
    rest.renumber()
    return rest


def _remove_unread(graph: Graph) -> None:
    """Removes what the outputs, and what is overwritten, do not depend on."""
    for node in reversed(list(graph.nodes)):
        if not any(v.users or v in graph.outputs or v.overwrites for v in node.outputs):
            graph.remove(node)
    graph.states[:] = [s for s in graph.states if s.value.users or s.value in graph.outputs]
    graph.inputs[:] = [v for v in graph.inputs if v.users or v in graph.outputs]

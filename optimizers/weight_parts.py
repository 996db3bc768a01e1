"""Divides the weight of a quantised op into states, one after the other along its input channels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from gradlet.ir.graph import Graph, Node, Part, Region, Source, State, Value
from gradlet.optimizers.channel_runs import runs_of
from gradlet.optimizers.linear_ops import QUANTIZED, weight_parts


def can_be_divided(graph: Graph, state: State) -> bool:
    """Whether all that reads a weight takes it in several operands."""
    users = state.value.users
    return bool(users) and state.value not in graph.outputs and all(_takes_parts(n, state.value) for n in users)


def _takes_parts(node: Node, weight: Value) -> bool:
    takes = node.op in QUANTIZED and node.attrs.get("groups", 1) == 1
    return takes and weight in weight_parts(node) and node.inputs.count(weight) == 1


def divide(graph: Graph, state: State, axis: int, learning: np.ndarray, cuts: Iterable[int]) -> None:
    """Puts several states in the place of a weight.

    Args:
        graph: Forward graph.
        state: A weight that can be divided.
        axis: Of its input channels.
        learning: Marks those that learn.
        cuts: Where parts end and begin: no part has more than one run of marks. The first part with marks keeps the
            name of the weight.
    """
    bounds = [Part(axis, begin, end, len(learning)) for begin, end in pairwise([0, *sorted(cuts), len(learning)])]
    names = _names(graph, state, [bool(learning[part.begin : part.end].any()) for part in bounds])
    parts = [_part(state, name, part, learning) for name, part in zip(names, bounds, strict=True)]
    for node in list(dict.fromkeys(state.value.users)):
        _read_parts(graph, node, state.value, [p.value for p in parts])
    at = graph.states.index(state)
    graph.states[at : at + 1] = parts


def _names(graph: Graph, state: State, learns: Sequence[bool]) -> list[str]:
    taken = {v.name for v in graph.values()} - {state.name}
    names: list[str] = []
    for learning in learns:
        stem = state.name if learning else f"{state.name}_frozen"
        numbered = (f"{stem}_{k}" for k in range(1, len(taken) + len(learns) + 1))
        names.append(next(n for n in [stem, *numbered] if n not in taken))
        taken.add(names[-1])
    return names


def _part(state: State, name: str, part: Part, learning: np.ndarray) -> State:
    runs = runs_of(learning[part.begin : part.end])
    assert len(runs) <= 1, f"{state.name}: {len(runs)} runs of channels learn in one part"
    size = part.end - part.begin
    region = Region(part.axis, *runs[0]) if runs and runs != [(0, size)] else None
    value = Value(name, state.value.type.taken(range(part.begin, part.end), part.axis))
    init = np.ascontiguousarray(part.of(state.init))
    return State(value, init, state.role, bool(runs), region, _part_source(state, part))


def _part_source(state: State, part: Part) -> Source | None:
    """The source of a part of what may be a part already."""
    if state.source is None:
        return None
    larger = state.source.part
    if larger:
        part = Part(part.axis, part.begin + larger.begin, part.end + larger.begin, larger.size)
    return replace(state.source, part=part)


def _read_parts(graph: Graph, node: Node, weight: Value, parts: Sequence[Value]) -> None:
    at, index = node.inputs.index(weight), graph.nodes.index(node)
    count = len(weight_parts(node)) - 1 + len(parts)
    graph.remove(node)
    inputs = [*node.inputs[:at], *parts, *node.inputs[at + 1 :]]
    graph.insert(index, replace(node, inputs=inputs, attrs={**node.attrs, "parts": count}))

"""Makes several states of a weight of which a part learns: that part changes in RAM, the rest stays in flash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Node, Phase, State
from gradlet.ir.passes import Context
from gradlet.optimizers.linear_ops import MOST_PARTS, QUANTIZED, WEIGHTED, weight_parts
from gradlet.optimizers.weight_parts import can_be_divided, divide


@dataclass(frozen=True)
class SplitWeights:
    """Of quantised convolutions and dense layers, whose weights may be several operands.

    The gradient is then that of the part, all of which learns, unless the weight would have too many parts: then some
    frozen channels stay beside those that learn, as few as possible.

    Attributes:
        max_parts: Of the weight of one op; None: as many as the kernels of Gradlet take.
    """

    name: ClassVar[str] = "split_weights"
    max_parts: int | None = None

    def run(self, graph: Graph, context: Context) -> bool:
        if any(n.phase is not Phase.FORWARD for n in graph.nodes):
            hint = "put split_weights before differentiate"
            raise CompileError("GL214", "split_weights comes after the backward pass is made", hint=hint)
        states = len(graph.states)
        for node in [n for n in graph.nodes if n.op in QUANTIZED]:
            if node in graph.nodes:  # else it shares a weight that has been divided
                self._split(graph, node)
        return len(graph.states) != states

    def _split(self, graph: Graph, node: Node) -> None:
        """Cuts off frozen ends of the parts of a weight, the largest first."""
        room = (self.max_parts or MOST_PARTS[node.op]) - len(weight_parts(node))
        ends = [end for value in weight_parts(node) for end in _frozen_ends(graph, graph.state_of(value))]
        ends.sort(key=lambda end: -end.channels)
        axis = WEIGHTED[node.op].inp
        for state in dict.fromkeys(end.state for end in ends):
            cuts = [end.cut for end in ends[: max(room, 0)] if end.state is state]
            if cuts:
                divide(graph, state, axis, _marks(state, axis), cuts)


@dataclass(frozen=True, eq=False)
class _End:
    """Channels before or after those that learn of a state."""

    state: State
    cut: int
    channels: int


def _frozen_ends(graph: Graph, state: State | None) -> Iterator[_End]:
    part = state.region if state and state.trainable else None
    if state is None or part is None or not can_be_divided(graph, state):
        return
    size = state.value.type.shape[part.axis]
    if part.begin:
        yield _End(state, part.begin, part.begin)
    if part.end < size:
        yield _End(state, part.end, size - part.end)


def _marks(state: State, axis: int) -> np.ndarray:
    part = state.region
    assert part is not None and part.axis == axis
    marks = np.zeros(state.value.type.shape[axis], bool)
    marks[part.begin : part.end] = True
    return marks


PASS = SplitWeights

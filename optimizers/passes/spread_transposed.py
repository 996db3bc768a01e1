"""Writes transposed convolutions as convolutions, which become int8 and into which batch norms fold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from gradlet.ir.graph import Graph, Node, Phase, Source, State
from gradlet.ir.op_def import Emit
from gradlet.ir.passes import Context
from gradlet.ir.transposed_convolution import spread, turned

# From the axes of the weight of the convolution that it is the gradient of, [I, KH, KW, O].
_OHWI = (3, 1, 2, 0)


@dataclass(frozen=True)
class SpreadTransposed:
    """Those without groups, whose weight nothing else reads."""

    name: ClassVar[str] = "spread_transposed"

    def run(self, graph: Graph, context: Context) -> bool:
        changed = False
        for node in list(graph.nodes):
            state = _weight(graph, node)
            if state is not None:
                _rewrite(graph, node, state, context)
                changed = True
        if changed:
            graph.renumber()
        return changed


def _weight(graph: Graph, node: Node) -> State | None:
    """The weight of a transposed convolution that can be rewritten."""
    if node.op != "conv2d_input_grad" or node.phase is not Phase.FORWARD or node.attrs.get("groups", 1) != 1:
        return None
    state = graph.state_of(node.inputs[1])
    if state is None or state.region or len(state.value.users) > 1 or _permuted(state) is None:
        return None
    return state


def _permuted(state: State) -> Source | None:
    """Where the weight OHWI comes from; None if that cannot be told by the order of axes."""
    source, shape = state.source, state.value.type.shape
    if source is None:
        source = Source(state.name, shape, shape, tuple(range(4)))
    if source.orders or source.rescales or source.part or len(source.view) not in (3, 4):
        return None
    # That of a signal has no axis for the height of 1.
    order = _OHWI if len(source.view) == 4 else (2, 1, 0)
    return replace(source, permutation=tuple(source.permutation[axis] for axis in order))


def _rewrite(graph: Graph, node: Node, state: State, context: Context) -> None:
    emit = Emit(context.ops, graph, node.phase, node.loc, graph.nodes.index(node))
    x, w = node.inputs
    pixels, attrs = spread(emit, x, w.type.shape[1:3], node.attrs, 0.0)
    source = _permuted(state)
    assert source is not None
    state.init, state.source = turned(state.init.transpose(_OHWI), source)
    w.type = w.type.with_shape(*state.init.shape)
    y = emit("conv2d", pixels, w, **attrs)
    y.name = node.outputs[0].name
    graph.replace_uses(node.outputs[0], y)
    graph.remove(node)


PASS = SpreadTransposed

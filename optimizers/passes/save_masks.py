"""Keeps one bit an element for the backward of a clamp, where nothing else needs the activation itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from gradlet.ir.graph import Graph, Node, Phase, Value
from gradlet.ir.op_def import Emit
from gradlet.ir.passes import Context


@dataclass(frozen=True)
class SaveMasks:
    """Rewrites relu_grad(g, y) and clip_grad(g, y) as masked(g, inside(y)); `inside` runs right after y is made."""

    name: ClassVar[str] = "save_masks"

    def run(self, graph: Graph, context: Context) -> bool:
        kept = [v for n in graph.nodes if n.phase is Phase.FORWARD for v in n.outputs if _is_kept_for_sign(graph, v)]
        for value in kept:
            for node in [n for n in value.users if bounds_of(n)]:
                _use_mask(graph, context, node, value)
        if kept:
            graph.renumber()
        return bool(kept)


def bounds_of(node: Node) -> tuple[float, float] | None:
    """The open interval outside of which a gradient node lets nothing through; None for another op."""
    if node.op == "relu_grad":
        return 0.0, math.inf
    return (node.attrs["lo"], node.attrs["hi"]) if node.op == "clip_grad" else None


def _is_kept_for_sign(graph: Graph, value: Value) -> bool:
    later = [n for n in value.users if n.phase is not Phase.FORWARD]
    return bool(later) and value not in graph.outputs and all(bounds_of(n) and n.inputs[0] is not value for n in later)


def _use_mask(graph: Graph, context: Context, node: Node, value: Value) -> None:
    """Masks of one value with the same bounds are shared."""
    assert value.producer is not None
    lo, hi = bounds_of(node) or (0.0, 0.0)
    same = [n for n in value.users if n.op == "inside" and (n.attrs["lo"], n.attrs["hi"]) == (lo, hi)]
    after = graph.nodes.index(value.producer) + 1
    forward = Emit(context.ops, graph, Phase.FORWARD, value.producer.loc, after)
    mask = same[0].outputs[0] if same else forward("inside", value, lo=lo, hi=hi)
    backward = Emit(context.ops, graph, node.phase, node.loc, graph.nodes.index(node))
    graph.replace_uses(node.outputs[0], backward("masked", node.inputs[0], mask))
    graph.remove(node)


PASS = SaveMasks

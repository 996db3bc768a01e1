"""Merges neighbours: bias and activation into the linear op before them, scale into the mask beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace as changed_copy
from typing import ClassVar

from gradlet.ir.activations import BOUNDS
from gradlet.ir.graph import Graph, Node
from gradlet.ir.passes import Context
from gradlet.optimizers.linear_ops import LINEAR, bias_of, only_user


@dataclass(frozen=True)
class Fuse:
    """Applies every merge as often as it fits."""

    name: ClassVar[str] = "fuse"

    def run(self, graph: Graph, context: Context) -> bool:
        count = len(graph.nodes)
        for second in list(graph.nodes):
            for merge in _MERGES:
                first = second.inputs[0].producer if second.inputs else None
                merged = merge(first, second) if first and only_user(first.outputs[0], graph.outputs) else None
                if first and merged:
                    _replace(graph, first, second, merged)
                    second = merged
        changed = len(graph.nodes) != count
        if changed:
            graph.renumber()
        return changed


def _replace(graph: Graph, first: Node, second: Node, merged: Node) -> None:
    index = graph.nodes.index(second)
    graph.remove(second)
    graph.remove(first)
    graph.insert(index - 1, merged)


def _bias(linear: Node, add: Node) -> Node | None:
    """linear, bias_add -> linear with a bias."""
    plain = linear.op in LINEAR and not bias_of(linear) and linear.attrs.get("activation", "none") == "none"
    if add.op != "bias_add" or not plain or linear.phase is not add.phase:
        return None
    return changed_copy(linear, inputs=[*linear.inputs, add.inputs[1]], outputs=add.outputs)


def _activation(linear: Node, clamp: Node) -> Node | None:
    """linear, relu or clip to [0, 6] -> linear with an activation."""
    if linear.op not in LINEAR or linear.attrs.get("activation", "none") != "none" or linear.phase is not clamp.phase:
        return None
    bounds = (clamp.attrs.get("lo"), clamp.attrs.get("hi")) if clamp.op == "clip" else None
    name = "relu" if clamp.op == "relu" else next((n for n, b in BOUNDS.items() if b == bounds), "none")
    if name == "none":
        return None
    attrs = {**linear.attrs, "activation": name}
    return changed_copy(linear, inputs=list(linear.inputs), outputs=clamp.outputs, attrs=attrs)


def _factor(node: Node) -> float | None:
    """What a node multiplies its first operand with, if that is all it does."""
    if node.op == "scale":
        return float(node.attrs["factor"])
    maker = node.inputs[1].producer if node.op == "mul" else None
    return float(maker.attrs["value"]) if maker and maker.op == "full" and not maker.outputs[0].type.shape else None


def _scale_mask(first: Node, second: Node) -> Node | None:
    """scale and masked, in either order -> masked with a scale."""
    masked = first if first.op == "masked" else second
    factor = _factor(second if masked is first else first)
    if masked.op != "masked" or factor is None or first.phase is not second.phase:
        return None
    attrs = {**masked.attrs, "scale": float(masked.attrs.get("scale", 1.0)) * factor}
    operands = [first.inputs[0], masked.inputs[1]]
    return changed_copy(masked, inputs=operands, outputs=second.outputs, attrs=attrs)


_MERGES: tuple[Callable[[Node, Node], Node | None], ...] = (_bias, _activation, _scale_mask)

PASS = Fuse

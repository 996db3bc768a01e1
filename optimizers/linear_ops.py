"""What passes have to know about the ops with weights: which axes of the weights are channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradlet.ir.graph import Node, Value


@dataclass(frozen=True)
class WeightAxes:
    """Axes of the weights of an op.

    Attributes:
        out: One slice for each output channel.
        inp: The axis that sparse updates cut: one slice for each input channel.
    """

    out: int
    inp: int


# A depthwise weight [KH, KW, O] has one axis for both.
LINEAR: Mapping[str, WeightAxes] = {
    "conv2d": WeightAxes(out=0, inp=3),
    "depthwise_conv2d": WeightAxes(out=2, inp=2),
    "dense": WeightAxes(out=0, inp=1),
}


def weight_of(node: Node) -> Value:
    return node.inputs[1]


def bias_of(node: Node) -> Value | None:
    return node.inputs[2] if len(node.inputs) > 2 else None


def only_user(value: Value, outputs: list[Value]) -> Node | None:
    """The node that reads a value, if it is the only one and the graph does not return it."""
    return value.users[0] if len(value.users) == 1 and value not in outputs else None

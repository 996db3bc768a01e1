"""What passes have to know about the ops with weights: which axes of the weights are channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gradlet.ir.graph import Graph, Node, State, Value, written_states


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
# Their weights may be several operands, one after the other along the input channels; constants follow the bias.
QUANTIZED: Mapping[str, WeightAxes] = {f"q{op}": axes for op, axes in LINEAR.items()}
# As many as the kernels of every backend take.
MOST_PARTS: Mapping[str, int] = {"qconv2d": 4, "qdense": 4, "qdepthwise_conv2d": 2}
# A transposed convolution has the weights of the convolution that it is the input gradient of.
TRANSPOSED: Mapping[str, WeightAxes] = {"conv2d_input_grad": WeightAxes(out=3, inp=0)}
# `ordered_dense` is a dense that adds in a fixed order.
WEIGHTED: Mapping[str, WeightAxes] = {**LINEAR, **TRANSPOSED, "ordered_dense": LINEAR["dense"], **QUANTIZED}


def weight_of(node: Node) -> Value:
    return node.inputs[1]


def weight_parts(node: Node) -> list[Value]:
    """The operands that the weight consists of, in their order along the input channels."""
    return node.inputs[1 : 1 + node.attrs.get("parts", 1)]


def bias_of(node: Node) -> Value | None:
    rest = per_channel(node)
    return rest[0] if rest else None


def per_channel(node: Node) -> list[Value]:
    """The bias, and the constants of a quantised op: one entry, or row, for each output channel."""
    return node.inputs[1 + node.attrs.get("parts", 1) :]


def is_depthwise(node: Node) -> bool:
    axes = WEIGHTED[node.op]
    return axes.out == axes.inp


def only_user(value: Value, outputs: list[Value]) -> Node | None:
    """The node that reads a value, if it is the only one and the graph does not return it."""
    return value.users[0] if len(value.users) == 1 and value not in outputs else None


def private_constant(graph: Graph, value: Value) -> State | None:
    """The state of a value that only one node reads and none writes: a pass may change it with that node."""
    state = graph.state_of(value)
    return state if state and len(value.users) == 1 and value not in written_states(graph) else None

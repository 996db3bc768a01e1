"""Puts the channels of a tensor in another order at compile time, in every weight that makes or reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradlet.ir.graph import Graph, Node, State, Value
from gradlet.optimizers.linear_ops import WEIGHTED, is_depthwise, per_channel, weight_parts

_UNARY = {"neg", "exp", "log", "sqrt", "scale", "cast", "relu", "clip", "sigmoid", "silu", "hard_swish", "tanh"} | {
    *("leaky_relu", "elu", "gelu", "abs", "rsqrt")
}
_PER_CHANNEL = {"max_pool2d", "avg_pool2d", "resize", "batch_norm", "batch_norm_train", "bias_add"}
# One channel of the result depends on the same channel of the operands alone.
_QUANTIZED_PAIRS = {"qadd", "qmul", "qsquared_difference", "qprelu"}
_QUANTIZED = {"quantize", "dequantize", "requantize", "qavg_pool2d", "qlookup"} | _QUANTIZED_PAIRS
_REDUCTIONS = {"mean", "sum", "max", "min", "qsum", "qmean"}
_PAIRS = {"add", "sub", "mul", "div", "pow", "maximum", "minimum"}
_ELEMENTWISE = _PAIRS | _UNARY | _PER_CHANNEL | _QUANTIZED


@dataclass(frozen=True)
class Channels:
    """Tensors whose last axes hold the same channels.

    Attributes:
        values: Intermediate values.
        parameters: States and the axis of each that has these channels.
    """

    values: frozenset[Value]
    parameters: tuple[tuple[State, int], ...]

    def reorder(self, order: Sequence[int]) -> None:
        """Channel k becomes what channel `order[k]` was; what the graph computes stays the same."""
        axis_order = tuple(int(k) for k in order)
        for state, axis in self.parameters:
            state.init = np.ascontiguousarray(state.init.take(axis_order, axis))
            state.value.type = state.value.type.taken(axis_order, axis)
            if state.source:
                state.source = replace(state.source, orders=(*state.source.orders, (axis, axis_order)))


class _NotFreeError(Exception):
    """The order of these channels is visible outside of the weights."""


def channels_of(graph: Graph, value: Value) -> Channels | None:
    """All that shares the channels of `value`; None if they cannot be put in another order."""
    states = {s.value: s for s in graph.states}
    fixed = {*graph.inputs, *graph.outputs}
    values, parameters = {value}, dict[Value, int]()
    pending = [value]
    try:
        while pending:
            present = pending.pop()
            if present in fixed or present in states:
                raise _NotFreeError
            for other, axis in _touching(present, states):
                if other in states:
                    if parameters.setdefault(other, axis) != axis:
                        raise _NotFreeError
                elif other not in values:
                    values.add(other)
                    pending.append(other)
    except _NotFreeError:
        return None
    if any(len(parameter.users) > 1 for parameter in parameters):
        return None
    return Channels(frozenset(values), tuple((states[v], axis) for v, axis in parameters.items()))


def _touching(value: Value, states: dict[Value, State]) -> Iterator[tuple[Value, int]]:
    """What shares channels with a value through its maker and its readers: (value or state, axis)."""
    if value.producer is None:
        raise _NotFreeError
    yield from _through(value.producer, value, states)
    for user in value.users:
        yield from _through(user, value, states)


def _through(node: Node, value: Value, states: dict[Value, State]) -> Iterator[tuple[Value, int]]:
    """What shares the channels of one operand or result of a node."""
    if node.op in WEIGHTED:
        yield from _through_linear(node, value)
    elif node.op in _ELEMENTWISE or _keeps_last_axis(node):
        yield from _through_elementwise(node, value, states)
    else:
        raise _NotFreeError


def _through_linear(node: Node, value: Value) -> Iterator[tuple[Value, int]]:
    axes, x, y = WEIGHTED[node.op], node.inputs[0], node.outputs[0]
    weights, vectors = weight_parts(node), per_channel(node)
    if value not in (x, y) or node.attrs.get("groups", 1) != 1 or len(weights) > 1:
        raise _NotFreeError
    (w,), depthwise = weights, is_depthwise(node)
    # Fewer in the input of a depthwise convolution that multiplies its channels.
    if x.type.shape[-1] != w.type.shape[axes.inp]:
        raise _NotFreeError
    if value is y or depthwise:
        yield w, axes.out
        yield from ((v, 0) for v in vectors)
    if value is x or depthwise:
        yield w, axes.inp
    if depthwise:
        yield from ((v, len(v.type.shape) - 1) for v in (x, y))


def _keeps_last_axis(node: Node) -> bool:
    """Whether a node that moves elements leaves them in their channel."""
    x, y = (v.type.shape for v in (node.inputs[0], node.outputs[0])) if node.inputs else ((), ())
    if not x or not y or x[-1] != y[-1]:
        return False
    if node.op in _REDUCTIONS:
        return len(x) - 1 not in [a % len(x) for a in node.attrs["axis"]]
    if node.op == "transpose":
        return bool(node.attrs["axes"][-1] % len(x) == len(x) - 1)
    if node.op == "pad":
        return bool(node.attrs["before"][-1] == node.attrs["after"][-1] == 0)
    return node.op == "reshape"


def _through_elementwise(node: Node, value: Value, states: dict[Value, State]) -> Iterator[tuple[Value, int]]:
    channels = value.type.shape[-1]
    for other in [*node.inputs, *node.outputs]:
        shape = other.type.shape
        if other is value or not shape or shape[-1] == 1 != channels or other.overwrites in states:
            continue
        if shape[-1] != channels:
            raise _NotFreeError
        yield other, len(shape) - 1

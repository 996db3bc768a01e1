"""Evens out the weights of consecutive layers channel by channel, so that few bits say more about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gradlet.ir.axes import axes_of
from gradlet.ir.graph import Graph, Node, State, Value
from gradlet.ir.passes import Context
from gradlet.optimizers.linear_ops import LINEAR, bias_of, only_user, private_constant, weight_of

# Bounds that multiplying by a positive number does not move.
_FIXED = (-np.inf, 0.0, np.inf)


@dataclass(frozen=True)
class Equalize:
    """Divides each output channel of a layer by a number, and multiplies what reads it in the next one.

    M. Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction (ICCV 2019), section 4.1:
    with r1 and r2 the largest weights of a channel in both layers, s = sqrt(r1 * r2) / r2 makes both sqrt(r1 * r2).
    Between them may stand what lets positive factors through: ReLU, pooling, means over the image, reshapes that keep
    channels last. ReLU6 does not. The user's weights are read back as they were scaled (`Source.rescales`), so that the
    model of the user stays one that computes the same.

    Attributes:
        rounds: Times that all pairs are gone through at most.
        tolerance: Relative change of all channels below which it ends.
    """

    name: ClassVar[str] = "equalize"
    rounds: int = 100
    tolerance: float = 1e-3

    def run(self, graph: Graph, context: Context) -> bool:
        pairs = list(find_pairs(graph))
        divisors = _divisors(pairs, self.rounds, self.tolerance)
        moved = [(p, d) for p, d in zip(pairs, divisors, strict=True) if np.abs(np.log(d)).max() > self.tolerance]
        for pair, divisor in moved:
            _rescale(pair.weight, LINEAR[pair.first.op].out, 1 / divisor)
            _rescale(pair.next_weight, LINEAR[pair.second.op].inp, divisor[pair.reads])
            if pair.bias:
                _rescale(pair.bias, 0, 1 / divisor)
        if moved:
            context.notes.append(f"the channels of {len(moved)} pairs of layers are scaled to ranges that match")
        return bool(moved)


@dataclass(frozen=True)
class Pair:
    """Two layers of which the second reads nothing but the first, and alone.

    Attributes:
        weight: Of the first; `bias` too.
        next_weight: Of the second.
        reads: int[I]: which channel of the first each slice of `next_weight` along its input axis meets.
    """

    first: Node
    second: Node
    weight: State
    bias: State | None
    next_weight: State
    reads: np.ndarray


def find_pairs(graph: Graph) -> Iterator[Pair]:
    """In the order of the graph."""
    for first in [n for n in graph.nodes if n.op in LINEAR]:
        second = _next_layer(first, graph.outputs)
        states = [private_constant(graph, v) for v in (weight_of(first), *_biases(first))]
        after = private_constant(graph, weight_of(second)) if second else None
        found = [s for s in (*states, after) if s]
        # Those in another order belong to a pass that comes later.
        if second and after and len(found) == len(states) + 1 and not any(s.source and s.source.orders for s in found):
            yield Pair(first, second, found[0], found[1] if _biases(first) else None, after, _reads(first, second))


def _biases(node: Node) -> list[Value]:
    bias = bias_of(node)
    return [] if bias is None else [bias]


def _next_layer(first: Node, outputs: list[Value]) -> Node | None:
    """The layer behind ops that let positive factors through, channel by channel."""
    y = first.outputs[0]
    channels = y.type.shape[-1]
    node = only_user(y, outputs) if first.attrs.get("activation", "none") in ("none", "relu") else None
    while node and _lets_through(node, channels):
        y = node.outputs[0]
        node = only_user(y, outputs)
    if node is None or node.op not in LINEAR or node.inputs[0] is not y:
        return None
    # The weights of a group would have factors of their own for each output channel.
    return node if node.attrs.get("groups", 1) == 1 else None


def _lets_through(node: Node, channels: int) -> bool:
    """f(s * x) = s * f(x) for positive s, the channels being last, perhaps several times, before and behind it."""
    rank = len(node.inputs[0].type.shape)
    if node.op == "clip":
        return node.attrs["lo"] in _FIXED and node.attrs["hi"] in _FIXED
    if node.op == "pad":
        return not node.attrs.get("value", 0.0) and not node.attrs["before"][-1] + node.attrs["after"][-1]
    if node.op in ("mean", "sum", "max"):
        return rank - 1 not in axes_of(node.attrs, rank)
    if node.op == "reshape":
        shape = node.outputs[0].type.shape
        return bool(shape) and shape[-1] % channels == 0
    return node.op in ("relu", "leaky_relu", "max_pool2d", "avg_pool2d")


def _reads(first: Node, second: Node) -> np.ndarray:
    channels = first.outputs[0].type.shape[-1]
    slices = weight_of(second).type.shape[LINEAR[second.op].inp]
    inputs = second.inputs[0].type.shape[-1]
    # A depthwise layer has several slices for each input channel; a flattened image has each channel several times.
    return np.arange(slices) // (slices // inputs) % channels


def _divisors(pairs: list[Pair], rounds: int, tolerance: float) -> list[np.ndarray]:
    """float64[C] for each pair: what the channels of its first layer are divided by in the end."""
    weights = {s: s.init.astype(np.float64) for p in pairs for s in (p.weight, p.next_weight)}
    divisors = [np.ones(p.weight.init.shape[LINEAR[p.first.op].out]) for p in pairs]
    for _ in range(rounds):
        largest = 0.0
        for pair, divisor in zip(pairs, divisors, strict=True):
            step = _step(pair, weights)
            divisor *= step
            largest = max(largest, float(np.abs(np.log(step)).max()))
        if largest < tolerance:
            break
    return divisors


def _step(pair: Pair, weights: dict[State, np.ndarray]) -> np.ndarray:
    """float64[C]: what makes the ranges of both layers equal, which is done to `weights`; 1 for channels of zeros."""
    out, inp = LINEAR[pair.first.op].out, LINEAR[pair.second.op].inp
    own, slices = _ranges(weights[pair.weight], out), _ranges(weights[pair.next_weight], inp)
    read = np.zeros_like(own)
    np.maximum.at(read, pair.reads, slices)
    both = (own > 0) & (read > 0)
    step: np.ndarray = np.sqrt(np.where(both, own, 1) / np.where(both, read, 1))
    weights[pair.weight] = _scaled(weights[pair.weight], out, 1 / step)
    weights[pair.next_weight] = _scaled(weights[pair.next_weight], inp, step[pair.reads])
    return step


def _ranges(weight: np.ndarray, axis: int) -> np.ndarray:
    """The largest magnitude of each slice."""
    largest: np.ndarray = np.abs(weight).max(axis=tuple(a for a in range(weight.ndim) if a != axis))
    return largest


def _scaled(array: np.ndarray, axis: int, factor: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = array * factor.reshape([-1 if a == axis else 1 for a in range(array.ndim)])
    return scaled


def _rescale(state: State, axis: int, factor: np.ndarray) -> None:
    state.init = _scaled(state.init, axis, factor).astype(state.init.dtype)
    state.source = state.source and state.source.rescaled(axis, factor)


PASS = Equalize

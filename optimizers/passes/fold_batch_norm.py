"""Folds batch norms with fixed statistics into the weights and the bias before them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from gradlet.ir.graph import Graph, Node, Source, State, Value
from gradlet.ir.passes import Context
from gradlet.optimizers.linear_ops import LINEAR, bias_of, only_user, private_constant, weight_of


@dataclass(frozen=True)
class FoldBatchNorm:
    """Rewrites conv2d, depthwise_conv2d or dense, then batch_norm, as one op with a bias.

    Gamma then learns no longer by itself: the weights do, which are scaled by it, and beta does as the bias. Both can
    be read back for the user's model (`Source.rescales`), whose gamma, statistics and other biases stay as they were.

    Attributes:
        frozen_only: Leave those alone of which anything learns: training then follows the model exactly.
    """

    name: ClassVar[str] = "fold_batch_norm"
    frozen_only: bool = False

    def run(self, graph: Graph, context: Context) -> bool:
        count = len(graph.nodes)
        rescaled = 0
        for norm in [n for n in graph.nodes if n.op == "batch_norm"]:
            found = _pattern(graph, norm)
            if found and not (self.frozen_only and found.learns):
                rescaled += found.learns
                _fold(graph, found)
        changed = len(graph.nodes) != count
        if changed:
            graph.renumber()
        if rescaled:
            context.notes.append(
                f"{rescaled} batch norms are part of the weights before them: these learn in place of gamma and beta"
            )
        return changed


@dataclass(frozen=True)
class _Pattern:
    """A linear op, perhaps a bias_add, and the batch norm that follows."""

    linear: Node
    bias_add: Node | None
    norm: Node
    weight: State
    bias: State | None
    norm_states: tuple[State, State, State, State]

    @property
    def learns(self) -> bool:
        return any(s.trainable for s in (self.weight, self.bias, *self.norm_states) if s)

    @property
    def factor(self) -> np.ndarray:
        """What each output channel is multiplied with."""
        gamma, _, _, var = (s.init.astype(np.float64) for s in self.norm_states)
        factor: np.ndarray = gamma / np.sqrt(var + self.norm.attrs["eps"])
        return factor

    @property
    def shift(self) -> np.ndarray:
        """What is added to beta to make the bias of the merged op."""
        mean = self.norm_states[2].init.astype(np.float64)
        shift: np.ndarray = ((self.bias.init if self.bias else 0.0) - mean) * self.factor
        return shift


def _pattern(graph: Graph, norm: Node) -> _Pattern | None:
    maker = norm.inputs[0].producer
    add = maker if maker and maker.op == "bias_add" else None
    linear = add.inputs[0].producer if add else maker
    if not linear or linear.op not in LINEAR or linear.attrs.get("activation", "none") != "none":
        return None
    between = [linear, add] if add else [linear]
    if any(only_user(n.outputs[0], graph.outputs) is None for n in between):
        return None
    bias_value = bias_of(linear) or (add.inputs[1] if add else None)
    if add and bias_of(linear):
        return None
    parameters = [weight_of(linear), *norm.inputs[1:], *([bias_value] if bias_value else [])]
    states = [private_constant(graph, v) for v in parameters]
    if any(s is None for s in states):
        return None
    weight, gamma, beta, mean, var, *bias = (s for s in states if s)
    found = _Pattern(linear, add, norm, weight, bias[0] if bias else None, (gamma, beta, mean, var))
    # Weights scaled by 0 could not be read back; channels in another order belong to a pass that comes later.
    channels = (weight, LINEAR[linear.op].out), (beta, 0)
    ordered = any(s.source and axis in dict(s.source.orders) for s, axis in channels)
    return found if np.all(found.factor) and not ordered else None


def _fold(graph: Graph, found: _Pattern) -> None:
    weight, beta, factor, shift = found.weight, found.norm_states[1], found.factor, found.shift
    axis = LINEAR[found.linear.op].out
    shape = [-1 if a == axis else 1 for a in range(weight.init.ndim)]
    init = (beta.init + shift).astype(weight.init.dtype)
    source = beta.source and beta.source.rescaled(0, np.ones_like(shift), shift)
    _rewire(graph, found, _bias_value(graph, found, init, source))
    weight.init = (weight.init * factor.reshape(shape)).astype(weight.init.dtype)
    weight.source = weight.source and weight.source.rescaled(axis, factor)


def _bias_value(graph: Graph, found: _Pattern, init: np.ndarray, source: Source | None) -> Value:
    """The state of the new bias, which stands for beta: the old one, if there was one."""
    learns = found.norm_states[1].trainable
    if found.bias:
        found.bias.init, found.bias.source = init, source
        found.bias.trainable = found.bias.trainable or learns
        return found.bias.value
    stem = found.weight.name.removesuffix("weight").removesuffix(".")
    type_ = replace(found.weight.value.type, shape=init.shape)
    value = graph.add_state(graph.free_name(f"{stem}.bias"), init, type_, trainable=learns, source=source)
    graph.states.insert(graph.states.index(found.weight) + 1, graph.states.pop())
    return value


def _rewire(graph: Graph, found: _Pattern, bias: Value) -> None:
    """One op with a bias, where the batch norm was."""
    linear, index, result = found.linear, graph.nodes.index(found.norm), found.norm.outputs
    removed = [n for n in (linear, found.bias_add, found.norm) if n]
    operands = [*linear.inputs[:2], bias]
    for node in removed:
        graph.remove(node)
    graph.insert(index + 1 - len(removed), replace(linear, inputs=operands, outputs=result))
    dead = {s.value for s in found.norm_states}
    graph.states[:] = [s for s in graph.states if s.value not in dead]


PASS = FoldBatchNorm

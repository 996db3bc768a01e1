"""Folds batch norms with fixed statistics into the weights and the bias before them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from gradlet.ir.graph import Graph, Node, Source, State, Value, written_states
from gradlet.ir.passes import Context
from gradlet.optimizers.linear_ops import LINEAR, bias_of, only_user, weight_of


@dataclass(frozen=True)
class FoldBatchNorm:
    """Rewrites conv2d, depthwise_conv2d or dense, then batch_norm, as one op with a bias.

    Gamma and beta then learn no longer by themselves: the weights and the bias do, which are scaled by gamma.

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
    states = [_private_constant(graph, v) for v in parameters]
    if any(s is None for s in states):
        return None
    weight, gamma, beta, mean, var, *bias = (s for s in states if s)
    return _Pattern(linear, add, norm, weight, bias[0] if bias else None, (gamma, beta, mean, var))


def _private_constant(graph: Graph, value: Value) -> State | None:
    """The state of a value that only one node reads and none writes."""
    state = graph.state_of(value)
    return state if state and len(value.users) == 1 and value not in written_states(graph) else None


def _fold(graph: Graph, found: _Pattern) -> None:
    gamma, beta, mean, var = (s.init.astype(np.float64) for s in found.norm_states)
    factor = gamma / np.sqrt(var + found.norm.attrs["eps"])
    shape = [1] * found.weight.init.ndim
    shape[LINEAR[found.linear.op].out] = -1
    dtype = found.weight.init.dtype
    found.weight.init = (found.weight.init * factor.reshape(shape)).astype(dtype)
    old_bias = found.bias.init if found.bias else 0.0
    bias = _set_bias(graph, found, ((old_bias - mean) * factor + beta).astype(dtype))
    _rewire(graph, found, bias)


def _set_bias(graph: Graph, found: _Pattern, init: np.ndarray) -> Value:
    """The state of the new bias: the old one, if there was one."""
    learns = found.norm_states[1].trainable
    if found.bias:
        found.bias.init, found.bias.trainable = init, found.bias.trainable or learns
        return found.bias.value
    name = found.weight.name
    stem = name.removesuffix("weight").removesuffix(".")
    source = found.weight.source
    if source:
        size = init.shape
        source = Source(f"{source.name.removesuffix('weight').removesuffix('.')}.bias", size, size, (0,))
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

"""Weights and biases of a float graph's layers, rounded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradlet.ir.graph import Graph, Node, Source, State, Value
from gradlet.ir.quantized_states import Layer, Parameter
from gradlet.ir.requantize import HIGHEST
from gradlet.optimizers.linear_ops import LINEAR, bias_of, weight_of
from gradlet.optimizers.quantization.plan import Plan
from gradlet.optimizers.quantization.scales import Quantization, weight_scales

_INT32_MAX = 2**31 - 1


def make_layers(
    graph: Graph, plan: Plan, params: Mapping[Value, Quantization], per_tensor: bool = False
) -> dict[Node, Layer]:
    """What each layer of the plan computes with, everything rounded to nearest.

    Args:
        params: Root of a group (`Plan.root`) -> its scale and zero point.
    """
    states = {state.value: state for state in graph.states}
    nodes = [node for node in plan.rules if node.op in LINEAR]
    return {node: _layer(node, states, plan, params, per_tensor) for node in nodes}


def _layer(
    node: Node, states: Mapping[Value, State], plan: Plan, params: Mapping[Value, Quantization], per_tensor: bool
) -> Layer:
    weight, bias_value, axis = states[weight_of(node)], bias_of(node), LINEAR[node.op].out
    bias = states[bias_value] if bias_value is not None else None
    x_scale = params[plan.root(node.inputs[0])].scale
    scales = weight_scales(weight.init, axis, bias.init if bias else None, x_scale, per_tensor)
    return Layer(
        weight=_rounded(weight, scales, axis, HIGHEST),
        bias=_rounded(bias, x_scale * scales, 0, _INT32_MAX) if bias else None,
        out_axis=axis,
        weight_scales=scales,
        x_scale=x_scale,
        ratios=x_scale * scales / params[plan.root(plan.result(node))].scale,
    )


def _rounded(state: State, scales: np.ndarray, axis: int, limit: int) -> Parameter:
    columns = scales.reshape([-1 if a == axis else 1 for a in range(state.init.ndim)])
    content = np.clip(np.rint(state.init / columns), -limit, limit)
    return Parameter(state.name, content, state.trainable, _source(state).rescaled(axis, 1 / scales))


def _source(state: State) -> Source:
    """What the state is in the user's model; in lack of one: what it is in the float program."""
    shape = state.value.type.shape
    return state.source or Source(state.name, shape, shape, tuple(range(len(shape))))

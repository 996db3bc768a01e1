"""Quantisation-aware training: the float graph with everything rounded that int8 will round, to be trained as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradlet.ir.graph import Graph, Node, Phase, Role, Value
from gradlet.ir.op_def import Emit, OpSet
from gradlet.ir.quantized_states import Layer, Parameter
from gradlet.ir.requantize import HIGHEST
from gradlet.ir.tensor_type import f32
from gradlet.optimizers.clone import clone
from gradlet.optimizers.linear_ops import bias_of, weight_of
from gradlet.optimizers.quantization.plan import Plan
from gradlet.optimizers.quantization.scales import Quantization

_BIAS_LIMIT = 2**31 - 1


def with_fake_quantize(
    graph: Graph, ops: OpSet, plan: Plan, params: Mapping[Value, Quantization], layers: Mapping[Node, Layer]
) -> Graph:
    """A copy of a forward graph in which activations and weights that will be int8 are what int8 gives back.

    The int8 graph computes the same but for rounding: products of scales are float32 there, and biases have steps. The
    scales are states of their own, which do not learn; a weight that outgrows its own is clamped.

    Args:
        plan: Of `graph`; so are `params` and `layers`, which `quantize` makes of it.
    """
    copy = clone(graph)
    values = dict(zip(graph.values(), copy.values(), strict=True))
    nodes = dict(zip(graph.nodes, copy.nodes, strict=True))
    for node, layer in layers.items():
        _round_weight(copy, ops, nodes[node], layer)
    for value in [v for v in graph.values() if v in plan.roots and _is_rounded(v, plan)]:
        int8 = value.producer in plan.rules or value.producer in plan.folded
        # What is computed in floats is rounded for those alone that take int8.
        users = [nodes[n] for n in dict.fromkeys(value.users) if int8 or n in plan.rules]
        _round_activation(copy, ops, values[value], users, params[plan.root(value)], whole=int8)
    copy.renumber()
    return copy


def _is_rounded(value: Value, plan: Plan) -> bool:
    """Whether a tensor is rounded where it is made: not before the clamp that its op does the work of."""
    return value.producer is None or value.producer in plan.folded or plan.result(value.producer) is value


def _round_weight(graph: Graph, ops: OpSet, node: Node, layer: Layer) -> None:
    weight, scales = weight_of(node), layer.weight_scales.astype(np.float32)
    emit = Emit(ops, graph, Phase.FORWARD, node.loc, graph.nodes.index(node))
    scale = _scale(graph, weight, scales)
    graph.replace_uses(weight, emit("fake_quantize", weight, scale, axis=layer.out_axis, narrow=True), of=[node])


def _round_activation(
    graph: Graph, ops: OpSet, value: Value, users: Sequence[Node], quantization: Quantization, *, whole: bool
) -> None:
    """Lets `users` read the rounded value, and the graph return it if it has become int8 as a `whole`."""
    place = value.producer
    emit = Emit(ops, graph, Phase.FORWARD, place.loc if place else "", graph.nodes.index(place) + 1 if place else 0)
    scale = _scale(graph, value, np.asarray(quantization.scale, np.float32))
    rounded = emit("fake_quantize", value, scale, zero_point=quantization.zero_point, bits=quantization.bits)
    graph.replace_uses(value, rounded, of=users)
    if whole and value in graph.outputs:
        graph.outputs[:] = [rounded if v is value else v for v in graph.outputs]
        value.name, rounded.name = rounded.name, value.name


def _scale(graph: Graph, value: Value, scale: np.ndarray) -> Value:
    return graph.add_state(graph.free_name(f"{value.name}.scale"), scale, f32(*scale.shape), Role.BUFFER)


def rounded_states(graph: Graph, layers: Mapping[Node, Layer]) -> dict[Node, Layer]:
    """The layers with what the states of the graph are now, in the scales that they had."""
    states = {state.value: state.init for state in graph.states}
    return {node: _rounded(node, layer, states) for node, layer in layers.items()}


def _rounded(node: Node, layer: Layer, states: Mapping[Value, np.ndarray]) -> Layer:
    # Divided as fake_quantize does it, so that halves are rounded alike.
    weight = _as(layer.weight, states[weight_of(node)], layer.weight_scales.astype(np.float32), layer.out_axis, HIGHEST)
    bias = bias_of(node)
    if bias is None or layer.bias is None:
        return replace(layer, weight=weight)
    steps = layer.x_scale * layer.weight_scales
    return replace(layer, weight=weight, bias=_as(layer.bias, states[bias], steps, 0, _BIAS_LIMIT))


def _as(parameter: Parameter, content: np.ndarray, scales: np.ndarray, axis: int, limit: int) -> Parameter:
    columns = scales.reshape([-1 if a == axis else 1 for a in range(content.ndim)])
    return replace(parameter, content=np.clip(np.rint(content / columns), -limit, limit))

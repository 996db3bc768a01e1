"""Convolutions and dense layers: int8 weights, int32 sums."""

from __future__ import annotations

from collections.abc import Sequence

from gradlet.ir.graph import Node, Value
from gradlet.ir.quantized_states import add_layer
from gradlet.optimizers.linear_ops import bias_of, weight_of
from gradlet.optimizers.quantization.convert import Conversion
from gradlet.optimizers.quantization.rule import Rule, Setting
from gradlet.optimizers.quantization.scales import limits


def _linear(c: Conversion, node: Node) -> Sequence[Value]:
    x, y, layer = c.params(node.inputs[0]), c.result(node), c.layer(node)
    operands = add_layer(c.graph, layer, layer.weight.name.removesuffix(".weight"), c.rounding)
    attrs = {k: v for k, v in node.attrs.items() if k != "activation"}
    taken, shape = c.int8(node.inputs[0]), node.outputs[0].type.shape
    if node.op == "dense" and len(shape) > 2:
        features = taken.type.shape[-1]
        taken = c("reshape", taken, shape=(taken.type.size // features, features))
    made = c(f"q{node.op}", taken, *operands, **attrs, x_zero=x.zero_point, **c.target(node))
    low, high = limits(node)
    if not (c.bits or y.ends_at(low, high)):
        made = c.clipped(made, y, y, low, high)
    return [made if made.type.shape == shape else c("reshape", made, shape=shape)]


def _refuses(node: Node, setting: Setting) -> str:
    graph = setting.graph
    for what, value in (("weight", weight_of(node)), ("bias", bias_of(node))):
        if value is not None and (graph.state_of(value) is None or len(value.users) > 1):
            return f"its {what} is computed, or shared"
    return ""


_LAYER = Rule(_linear, _refuses, activations=lambda node: node.inputs[:1], starts=True, clamps=True)

RULES = dict.fromkeys(("conv2d", "depthwise_conv2d", "dense"), _LAYER)

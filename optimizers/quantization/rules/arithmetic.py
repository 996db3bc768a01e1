"""Sums and products of two int8 tensors, each with a scale of its own, and clamps."""

from __future__ import annotations

from collections.abc import Sequence

from gradlet.ir.graph import Node, Value
from gradlet.optimizers.quantization.convert import Conversion
from gradlet.optimizers.quantization.rule import Rule, Setting


def _pair(c: Conversion, node: Node) -> Sequence[Value]:
    first, second = (c.params(v) for v in node.inputs)
    y = c.result(node)
    scales = {"x1_scale": first.scale, "x2_scale": second.scale, "y_scale": y.scale}
    zeros = {"x1_zero": first.zero_point, "x2_zero": second.zero_point, "y_zero": y.zero_point}
    return c.node(f"q{node.op}", *map(c.int8, node.inputs), **scales, **zeros, rounding=c.rounding)


def _clamp(c: Conversion, node: Node) -> Sequence[Value]:
    """The range of the result begins and ends where the clamp does."""
    return [c.int8_as(node.inputs[0], node.outputs[0])]


def _refuses_pair(node: Node, setting: Setting) -> str:
    shapes = [v.type.shape for v in node.inputs]
    return "" if shapes[0] == shapes[1] else "broadcasts an operand"


def _refuses_clamp(node: Node, setting: Setting) -> str:
    return "needs activations=asymmetric" if setting.symmetric else ""


RULES = {
    "add": Rule(_pair, _refuses_pair, clamps=True),
    "mul": Rule(_pair, _refuses_pair, clamps=True),
    **dict.fromkeys(("relu", "clip"), Rule(_clamp, _refuses_clamp)),
}

"""Sums, differences and products of two quantised tensors, each with a scale of its own, and of one and a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gradlet.ir.graph import Node, Value
from gradlet.ir.ops.qmatmul import depth
from gradlet.optimizers.quantization.convert import Conversion
from gradlet.optimizers.quantization.rule import Rule, Setting

# Float op -> op on int8, and its attributes.
_PAIRS: Mapping[str, tuple[str, Mapping[str, bool]]] = {
    "add": ("qadd", {}),
    "bias_add": ("qadd", {}),
    "matmul": ("qmatmul", {}),
    "mul": ("qmul", {}),
    "sub": ("qadd", {"subtract": True}),
}


def _pair(c: Conversion, node: Node) -> Sequence[Value]:
    first, second = (c.params(v) for v in node.inputs)
    scales = {"x1_scale": first.scale, "x2_scale": second.scale}
    zeros = {"x1_zero": first.zero_point, "x2_zero": second.zero_point}
    op, attrs = _PAIRS[node.op]
    return c.node(op, *map(c.int8, node.inputs), **node.attrs, **scales, **zeros, **attrs, **c.target(node))


def _refuses_matmul(node: Node, setting: Setting) -> str:
    terms = depth(node.inputs[0].type, node.attrs)
    in_32_bits = setting.options.bits == 16 or terms * 255 * 255 < 2**31
    return "" if in_32_bits else f"sums {terms} products, more than int32 holds"


def _scale(c: Conversion, node: Node) -> Sequence[Value]:
    """The integers stand for larger or smaller numbers."""
    (x,), old = node.inputs, c.params(node.inputs[0])
    scale = old.scale * node.attrs["factor"]
    return c.node("requantize", c.int8(x), x_scale=scale, x_zero=old.zero_point, **c.target(node))


def _refuses_scale(node: Node, setting: Setting) -> str:
    return "" if node.attrs["factor"] > 0 else f"scales by {node.attrs['factor']:g}"


_PAIR = Rule(_pair, clamps=True)

RULES = {
    **dict.fromkeys(_PAIRS, _PAIR),
    "matmul": replace(_PAIR, refuses=_refuses_matmul),
    "scale": replace(_PAIR, emit=_scale, refuses=_refuses_scale),
}

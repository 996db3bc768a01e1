"""Sums, differences and products of two int8 tensors, each with a scale of its own."""

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
    y = c.result(node)
    scales = {"x1_scale": first.scale, "x2_scale": second.scale, "y_scale": y.scale}
    zeros = {"x1_zero": first.zero_point, "x2_zero": second.zero_point, "y_zero": y.zero_point}
    op, attrs = _PAIRS[node.op]
    return c.node(op, *map(c.int8, node.inputs), **node.attrs, **scales, **zeros, **attrs, rounding=c.rounding)


def _refuses_matmul(node: Node, setting: Setting) -> str:
    terms = depth(node.inputs[0].type, node.attrs)
    return f"sums {terms} products, more than int32 holds" if terms * 255 * 255 >= 2**31 else ""


_PAIR = Rule(_pair, clamps=True)

RULES = {**dict.fromkeys(_PAIRS, _PAIR), "matmul": replace(_PAIR, refuses=_refuses_matmul)}

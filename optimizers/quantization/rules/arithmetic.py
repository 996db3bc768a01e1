"""Sums, differences and products of two int8 tensors, each with a scale of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradlet.ir.graph import Node, Value
from gradlet.optimizers.quantization.convert import Conversion
from gradlet.optimizers.quantization.rule import Rule

# Float op -> op on int8, and its attributes.
_PAIRS: Mapping[str, tuple[str, Mapping[str, bool]]] = {
    "add": ("qadd", {}),
    "bias_add": ("qadd", {}),
    "mul": ("qmul", {}),
    "sub": ("qadd", {"subtract": True}),
}


def _pair(c: Conversion, node: Node) -> Sequence[Value]:
    first, second = (c.params(v) for v in node.inputs)
    y = c.result(node)
    scales = {"x1_scale": first.scale, "x2_scale": second.scale, "y_scale": y.scale}
    zeros = {"x1_zero": first.zero_point, "x2_zero": second.zero_point, "y_zero": y.zero_point}
    op, attrs = _PAIRS[node.op]
    return c.node(op, *map(c.int8, node.inputs), **scales, **zeros, **attrs, rounding=c.rounding)


RULES = dict.fromkeys(_PAIRS, Rule(_pair, clamps=True))

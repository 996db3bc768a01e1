"""Functions of one element: tables of what each int8 becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradlet.ir.graph import Node, Value
from gradlet.ir.int8_functions import FUNCTIONS
from gradlet.optimizers.quantization.convert import Conversion
from gradlet.optimizers.quantization.rule import Rule
from gradlet.optimizers.quantization.scales import limits


def _function(c: Conversion, node: Node) -> Sequence[Value]:
    x = c.params(node.inputs[0])
    scales = {"x_scale": x.scale, "x_zero": x.zero_point}
    return c.node("qlookup", c.int8(node.inputs[0]), function=node.op, **node.attrs, **scales, **c.target(node))


def _clamp(c: Conversion, node: Node) -> Sequence[Value]:
    """Another range, where the integers end where the clamp does."""
    x, y, (low, high) = node.inputs[0], c.result(node), limits(node)
    if c.bits:
        old = c.params(x)
        return c.node("requantize", c.int8(x), x_scale=old.scale, x_zero=old.zero_point, **c.target(node))
    if y.ends_at(low, high):
        return [c.int8_as(x, node.outputs[0])]
    return [c.clipped(c.int8(x), c.params(x), y, low, high)]


_FUNCTION = Rule(_function, clamps=True)
_CLAMPS = dict.fromkeys(("relu", "clip"), replace(_FUNCTION, emit=_clamp, clamps=False))

RULES = dict.fromkeys(FUNCTIONS, _FUNCTION) | _CLAMPS

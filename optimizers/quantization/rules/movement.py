"""What moves elements, repeats or blends them, or picks the largest: the same op, on int8 of one scale."""

from __future__ import annotations

from collections.abc import Sequence

from gradlet.ir.graph import Node, Value
from gradlet.optimizers.quantization.convert import Conversion
from gradlet.optimizers.quantization.rule import Rule, Setting


def _same(c: Conversion, node: Node) -> Sequence[Value]:
    return c.node(node.op, *map(c.int8, node.inputs), **node.attrs)


def _pad(c: Conversion, node: Node) -> Sequence[Value]:
    """With what stands for 0."""
    zero = float(c.params(node.outputs[0]).zero_point)
    return c.node("pad", c.int8(node.inputs[0]), **{**node.attrs, "value": zero})


def _refuses_pad(node: Node, setting: Setting) -> str:
    value = node.attrs.get("value", 0.0)
    return f"pads with {value:g}" if value else ""


def _gather(c: Conversion, node: Node) -> Sequence[Value]:
    x, indices = node.inputs
    return c.node("gather", c.int8(x), c.floats(indices), **node.attrs)


_MOVE = Rule(_same, shares_scale=True)

_MOVES = (
    *("broadcast_to", "concat", "flip", "max", "max_pool2d", "maximum", "min", "minimum"),
    *("reshape", "resize", "slice", "split", "transpose"),
)

RULES = {
    **dict.fromkeys(_MOVES, _MOVE),
    "gather": Rule(_gather, shares_scale=True, activations=lambda node: node.inputs[:1]),
    "pad": Rule(_pad, _refuses_pad, shares_scale=True),
}

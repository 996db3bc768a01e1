"""Means of windows, which keep their scale, and sums and means over axes."""

from __future__ import annotations

from collections.abc import Sequence

from gradlet.ir.graph import Node, Value
from gradlet.optimizers.quantization.convert import Conversion
from gradlet.optimizers.quantization.rule import Rule

_WINDOW = ("kernel", "strides", "padding")


def _avg_pool2d(c: Conversion, node: Node) -> Sequence[Value]:
    x, window = c.int8(node.inputs[0]), {name: node.attrs[name] for name in _WINDOW}
    if any(window["padding"]) and node.attrs.get("count_include_pad", True):
        top, left, bottom, right = window["padding"]
        zero = float(c.params(node.inputs[0]).zero_point)
        x = c("pad", x, before=(0, top, left, 0), after=(0, bottom, right, 0), value=zero)
        window["padding"] = (0, 0, 0, 0)
    return c.node("qavg_pool2d", x, **window, rounding=c.rounding)


def _reduction(c: Conversion, node: Node) -> Sequence[Value]:
    x, y = c.params(node.inputs[0]), c.result(node)
    scales = {"x_scale": x.scale, "x_zero": x.zero_point, "y_scale": y.scale, "y_zero": y.zero_point}
    return c.node(f"q{node.op}", c.int8(node.inputs[0]), **node.attrs, **scales, rounding=c.rounding)


RULES = {
    "avg_pool2d": Rule(_avg_pool2d, shares_scale=True),
    **dict.fromkeys(("mean", "sum"), Rule(_reduction, clamps=True)),
}

"""Means of windows, which keep their scale, and sums and means over axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradlet.ir.graph import Node, Value
from gradlet.ir.ops.qsum import MOST, count_of
from gradlet.optimizers.quantization.convert import Conversion
from gradlet.optimizers.quantization.rule import Rule, Setting

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
    x = c.params(node.inputs[0])
    scales = {"x_scale": x.scale, "x_zero": x.zero_point}
    return c.node(f"q{node.op}", c.int8(node.inputs[0]), **node.attrs, **scales, **c.target(node))


def _refuses(node: Node, setting: Setting) -> str:
    attrs = node.attrs
    count = math.prod(attrs["kernel"]) if "kernel" in attrs else count_of(node.inputs[0].type.shape, attrs)
    return f"sums {count} numbers, more than int32 holds" if count > MOST[setting.options.bits] else ""


RULES = {
    "avg_pool2d": Rule(_avg_pool2d, _refuses, shares_scale=True),
    **dict.fromkeys(("mean", "sum"), Rule(_reduction, _refuses, clamps=True)),
}

"""Means of windows and of whole images: sums of int8 that keep their scale."""

from __future__ import annotations

from collections.abc import Sequence

from gradlet.ir.axes import axes_of
from gradlet.ir.graph import Node, Value
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


def _mean(c: Conversion, node: Node) -> Sequence[Value]:
    x = node.inputs[0]
    size = x.type.shape[1:3]
    y = c("qavg_pool2d", c.int8(x), kernel=size, strides=size, padding=(0, 0, 0, 0), rounding=c.rounding)
    shape = node.outputs[0].type.shape
    return [y if y.type.shape == shape else c("reshape", y, shape=shape)]


def _refuses_mean(node: Node, setting: Setting) -> str:
    rank = len(node.inputs[0].type.shape)
    return "" if rank == 4 and axes_of(node.attrs, rank) == (1, 2) else "is not over the height and the width of images"


RULES = {
    "avg_pool2d": Rule(_avg_pool2d, shares_scale=True),
    "mean": Rule(_mean, _refuses_mean, shares_scale=True),
}

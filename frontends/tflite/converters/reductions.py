"""Sums, means and extremes over axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.frontends.tflite.problems import UnsupportedError
from gradlet.frontends.tflite.quantized import MAX_RATIO, ROUNDING
from gradlet.ir.graph import Value

Converter = Callable[[Builder, Operator], Value]


def reduction(ir_op: str, int8: str) -> Converter:
    """One whose result has a scale of its own."""

    def convert(b: Builder, op: Operator) -> Value:
        x, attrs = b.x(op), _axes(b, op)
        if not b.is_int8(op):
            return b(ir_op, x, **attrs)
        (x_scale, x_zero), (y_scale, y_zero) = b.scale(b.operand(op, 0)), b.scale(b.y(op))
        if not x_scale / y_scale < MAX_RATIO:
            raise inconsistent("the scale of its input is too large for that of its output", b.emit.loc)
        scales = {"x_scale": x_scale, "x_zero": x_zero, "y_scale": y_scale, "y_zero": y_zero}
        return b(int8, x, **attrs, **scales, rounding=ROUNDING)

    return convert


def extreme(ir_op: str) -> Converter:
    """Of integers as they are stored."""

    def convert(b: Builder, op: Operator) -> Value:
        if b.is_int8(op) and b.scale(b.operand(op, 0)) != b.scale(b.y(op)):
            raise UnsupportedError("in int8 with another scale for its result")
        return b(ir_op, b.x(op), **_axes(b, op))

    return convert


def _axes(b: Builder, op: Operator) -> dict[str, Any]:
    rank = len(b.shape_of(op, 0))
    given = b.integers(op, 1).ravel().tolist()
    if not all(-rank <= axis < rank for axis in given):
        raise inconsistent(f"{op.name} over axes {given} of {rank}", b.emit.loc)
    axes = tuple(sorted({axis % rank for axis in given}))
    return {"axis": axes, "keepdims": b.option(op, "ReducerOptions", "keep_dims")}


CONVERTERS = {
    "SUM": reduction("sum", "qsum"),
    "MEAN": reduction("mean", "qmean"),
    "REDUCE_MAX": extreme("max"),
    "REDUCE_MIN": extreme("min"),
}

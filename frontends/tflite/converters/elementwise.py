"""Arithmetic and activations, element by element."""

from __future__ import annotations

from collections.abc import Callable

from gradlet.frontends.tflite.activations import activated, clamped_int8, fused, fused_int8
from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.model import Operator
from gradlet.frontends.tflite.problems import UnsupportedError
from gradlet.frontends.tflite.quantized import ROUNDING
from gradlet.ir.graph import Value

Converter = Callable[[Builder, Operator], Value]


def add(b: Builder, op: Operator) -> Value:
    if not b.is_int8(op):
        return fused(b, op, "AddOptions", b("add", b.x(op, 0), b.x(op, 1)))
    x1, x2 = b.x(op, 0), b.x(op, 1)
    if x1.type.shape != x2.type.shape:
        raise UnsupportedError(f"operands of shapes {list(x1.type.shape)} and {list(x2.type.shape)} in int8")
    (s1, z1), (s2, z2), (sy, zy) = (b.scale(t) for t in (b.operand(op, 0), b.operand(op, 1), b.y(op)))
    scales = {"x1_scale": s1, "x2_scale": s2, "y_scale": sy}
    y = b("qadd", x1, x2, **scales, x1_zero=z1, x2_zero=z2, y_zero=zy, rounding=ROUNDING)
    return fused_int8(b, op, "AddOptions", y)


def only_float(ir_op: str, table: str) -> Converter:
    def convert(b: Builder, op: Operator) -> Value:
        b.only_float(op)
        return fused(b, op, table, b(ir_op, b.x(op, 0), b.x(op, 1)))

    return convert


def activation(name: str) -> Converter:
    """One that other operators carry with them as well; in int8 it changes the scale, and clamps as int8 does."""

    def convert(b: Builder, op: Operator) -> Value:
        if not b.is_int8(op):
            return activated(b, b.x(op), name)
        return clamped_int8(b, op, requantized(b, op), name)

    return convert


def requantized(b: Builder, op: Operator) -> Value:
    (x_scale, x_zero), (y_scale, y_zero) = b.scale(b.operand(op, 0)), b.scale(b.y(op))
    scales = {"x_scale": x_scale, "x_zero": x_zero, "y_scale": y_scale, "y_zero": y_zero}
    return b("requantize", b.x(op), **scales, rounding=ROUNDING)


def float_activation(ir_op: str) -> Converter:
    def convert(b: Builder, op: Operator) -> Value:
        b.only_float(op)
        return b(ir_op, b.x(op))

    return convert


CONVERTERS = {
    "ADD": add,
    "MUL": only_float("mul", "MulOptions"),
    "SUB": only_float("sub", "SubOptions"),
    "RELU": activation("RELU"),
    "RELU6": activation("RELU6"),
    "LOGISTIC": float_activation("sigmoid"),
    "TANH": float_activation("tanh"),
    "HARD_SWISH": float_activation("hard_swish"),
}

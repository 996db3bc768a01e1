"""Activations, element by element."""

from __future__ import annotations

from collections.abc import Callable

from gradlet.frontends.tflite.activations import activated, clamped_int8
from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.model import Operator
from gradlet.frontends.tflite.quantized import ROUNDING
from gradlet.ir.graph import Value

Converter = Callable[[Builder, Operator], Value]


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
    "RELU": activation("RELU"),
    "RELU6": activation("RELU6"),
    "LOGISTIC": float_activation("sigmoid"),
    "TANH": float_activation("tanh"),
    "HARD_SWISH": float_activation("hard_swish"),
}

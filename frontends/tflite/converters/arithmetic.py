"""Operators of two operands, element by element with broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradlet.frontends.tflite.activations import fused, fused_int8
from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.model import Operator
from gradlet.frontends.tflite.problems import UnsupportedError
from gradlet.frontends.tflite.quantized import ROUNDING
from gradlet.ir.graph import Value
from gradlet.ir.tensor_type import f32

Converter = Callable[[Builder, Operator], Value]


def pair(ir_op: str, table: str, int8: str, **int8_attrs: Any) -> Converter:
    """An operator of two tensors, each of any scale.

    Args:
        ir_op: In float32.
        table: Of the options, with an activation.
        int8: The op in int8, with these attributes.
    """

    def convert(b: Builder, op: Operator) -> Value:
        if not b.is_int8(op):
            return fused(b, op, table, b(ir_op, number(b, op, 0), number(b, op, 1)))
        return fused_int8(b, op, table, b(int8, b.x(op, 0), b.x(op, 1), **scales(b, op), **int8_attrs))

    return convert


def div(b: Builder, op: Operator) -> Value:
    if b.is_int8(op):
        raise UnsupportedError("in int8: TensorFlow Lite's kernel stops at divisors that are stored as 0")
    return fused(b, op, "DivOptions", b("div", number(b, op, 0), number(b, op, 1)))


def number(b: Builder, op: Operator, index: int) -> Value:
    """A float operand; a constant of one element is a number that the model is made with, which does not learn."""
    if b.is_constant(op, index) and b.constant(op, index).size == 1:
        content = b.floats(op, index)
        return b.buffer("constant", content, f32(*content.shape))
    return b.x(op, index)


def scales(b: Builder, op: Operator) -> dict[str, Any]:
    """The attributes of an op on two int8 tensors, with TFLite's rounding."""
    found: dict[str, Any] = {"rounding": ROUNDING}
    for name, tensor in (("x1", b.operand(op, 0)), ("x2", b.operand(op, 1)), ("y", b.y(op))):
        found[f"{name}_scale"], found[f"{name}_zero"] = b.scale(tensor)
    return found


def extreme(ir_op: str) -> Converter:
    """Of integers as they are stored."""

    def convert(b: Builder, op: Operator) -> Value:
        if not b.is_int8(op):
            return b(ir_op, number(b, op, 0), number(b, op, 1))
        if len({b.scale(t) for t in (b.operand(op, 0), b.operand(op, 1), b.y(op))}) > 1:
            raise UnsupportedError("in int8 with operands and result of different scales")
        return b(ir_op, b.x(op, 0), b.x(op, 1))

    return convert


def power(b: Builder, op: Operator) -> Value:
    """A constant exponent does not learn: the power of a negative number has no derivative with respect to it."""
    b.only_float(op)
    if not b.is_constant(op, 1):
        return b("pow", number(b, op, 0), b.x(op, 1))
    exponent = b.floats(op, 1)
    return b("pow", number(b, op, 0), b.buffer("exponent", exponent, f32(*exponent.shape)))


def squared_difference(b: Builder, op: Operator) -> Value:
    if b.is_int8(op):
        return b("qsquared_difference", b.x(op, 0), b.x(op, 1), **scales(b, op))
    difference = b("sub", number(b, op, 0), number(b, op, 1))
    return b("mul", difference, difference)


def prelu(b: Builder, op: Operator) -> Value:
    if b.is_int8(op):
        return b("qprelu", b.x(op, 0), b.x(op, 1), **scales(b, op))
    x, slope = b.x(op, 0), b.x(op, 1)
    return b("sub", b("relu", x), b("mul", b("relu", b("neg", x)), slope))


def add_n(b: Builder, op: Operator) -> Value:
    b.only_float(op)
    y = b.x(op, 0)
    for index in range(1, len(op.inputs)):
        y = b("add", y, b.x(op, index))
    return y


CONVERTERS = {
    "ADD": pair("add", "AddOptions", "qadd"),
    "ADD_N": add_n,
    "SUB": pair("sub", "SubOptions", "qadd", subtract=True),
    "MUL": pair("mul", "MulOptions", "qmul"),
    "DIV": div,
    "POW": power,
    "MAXIMUM": extreme("maximum"),
    "MINIMUM": extreme("minimum"),
    "SQUARED_DIFFERENCE": squared_difference,
    "PRELU": prelu,
}

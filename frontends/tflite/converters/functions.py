"""Functions of one value: activations, roots, logarithms; and softmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradlet.frontends.tflite.activations import BOUNDS, clamped, clamped_int8
from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.model import Operator
from gradlet.frontends.tflite.problems import UnsupportedError
from gradlet.frontends.tflite.quantized import ROUNDING
from gradlet.ir.fixed_point import SUM_BITS
from gradlet.ir.graph import Value

# So many exponentials of 1 are summed without overflow.
_MAX_TERMS = (1 << SUM_BITS) - 1

Converter = Callable[[Builder, Operator], Value]


def function(name: str, options: Callable[[Builder, Operator], dict[str, Any]] = lambda b, op: {}) -> Converter:
    """A function that the IR has as an op in float32, and in int8 as a table."""

    def convert(b: Builder, op: Operator) -> Value:
        if b.is_int8(op):
            return b("qlookup", b.x(op), function=name, **options(b, op), **scales(b, op), rounding=ROUNDING)
        return b(name, b.x(op), **options(b, op))

    return convert


def scales(b: Builder, op: Operator) -> dict[str, Any]:
    (x_scale, x_zero), (y_scale, y_zero) = b.scale(b.operand(op, 0)), b.scale(b.y(op))
    return {"x_scale": x_scale, "x_zero": x_zero, "y_scale": y_scale, "y_zero": y_zero}


def activation(name: str) -> Converter:
    """One that other operators carry with them as well."""

    def convert(b: Builder, op: Operator) -> Value:
        if b.is_int8(op):
            return clamped_int8(b, b.x(op), name, b.scale(b.operand(op, 0)), b.scale(b.y(op)))
        return clamped(b, b.x(op), name)

    return convert


def neg(b: Builder, op: Operator) -> Value:
    """TensorFlow Lite negates the integers, whatever they stand for."""
    if b.is_int8(op) and (b.scale(b.operand(op, 0)) != b.scale(b.y(op)) or b.scale(b.y(op))[1] != 0):
        raise UnsupportedError("in int8 with zero points, or with another scale for its result")
    return function("neg")(b, op)


def square(b: Builder, op: Operator) -> Value:
    b.only_float(op)
    return b("mul", b.x(op), b.x(op))


def softmax(b: Builder, op: Operator) -> Value:
    """Inside of a model; one at its end is the loss's."""
    beta = b.option(op, "SoftmaxOptions", "beta")
    if b.is_int8(op):
        return b("qsoftmax", b.x(op), x_scale=_scale_of_rows(b, op), beta=beta)
    return b("softmax", b.x(op) if beta == 1 else b("scale", b.x(op), factor=beta), axis=-1)


def log_softmax(b: Builder, op: Operator) -> Value:
    if b.is_int8(op):
        return b("qlog_softmax", b.x(op), x_scale=_scale_of_rows(b, op))
    return b("log_softmax", b.x(op), axis=-1)


def _scale_of_rows(b: Builder, op: Operator) -> float:
    if b.operand(op, 0).shape[-1:] > (_MAX_TERMS,):
        raise UnsupportedError(f"in int8 over more than {_MAX_TERMS} elements")
    return b.scale(b.operand(op, 0))[0]


CONVERTERS = {
    **{name: activation(name) for name in BOUNDS},
    "ABS": function("abs"),
    "ELU": function("elu", lambda b, op: {"alpha": 1.0}),
    "EXP": function("exp"),
    "GELU": function("gelu", lambda b, op: {"approximate": b.option(op, "GeluOptions", "approximate")}),
    "HARD_SWISH": function("hard_swish"),
    "LEAKY_RELU": function("leaky_relu", lambda b, op: {"alpha": b.option(op, "LeakyReluOptions", "alpha")}),
    "LOG": function("log"),
    "LOGISTIC": function("sigmoid"),
    "LOG_SOFTMAX": log_softmax,
    "NEG": neg,
    "RSQRT": function("rsqrt"),
    "SOFTMAX": softmax,
    "SQRT": function("sqrt"),
    "SQUARE": square,
    "TANH": function("tanh"),
}

"""Activations that TensorFlow's operators carry with them."""

from __future__ import annotations

from math import inf

import numpy as np

from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.frontends.tflite.problems import UnsupportedError
from gradlet.frontends.tflite.quantized import ROUNDING
from gradlet.frontends.tflite.schema import ACTIVATIONS
from gradlet.ir.graph import Value
from gradlet.ir.int8_functions import VALUES, table

# Scale and zero point.
Scale = tuple[float, int]

BOUNDS = {"RELU": (0.0, inf), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0), "RELU_0_TO_1": (0.0, 1.0)}


def fused(b: Builder, op: Operator, table: str, y: Value) -> Value:
    """What the options of a float operator ask for behind it."""
    name = _name(b, op, table)
    return y if name == "NONE" else clamped(b, y, name)


def clamped(b: Builder, y: Value, name: str) -> Value:
    low, high = BOUNDS[name]
    return b("relu", y) if (low, high) == (0, inf) else b("clip", y, lo=low, hi=high)


def fused_int8(b: Builder, op: Operator, table: str, y: Value) -> Value:
    """What the options of an int8 operator ask for behind it; `y` has the scale of its result."""
    name = _name(b, op, table)
    return y if name == "NONE" else clamped_int8(b, y, name, b.scale(b.y(op)), b.scale(b.y(op)))


def clamped_int8(b: Builder, x: Value, name: str, x_scale: Scale, y_scale: Scale) -> Value:
    """Clamped, and in another scale; x itself where int8 clamps at the same bounds."""
    low, high = BOUNDS[name]
    scales = {"x_scale": x_scale[0], "x_zero": x_scale[1], "y_scale": y_scale[0], "y_zero": y_scale[1]}
    attrs = {"function": "clip", "lo": low, "hi": high, **scales, "rounding": ROUNDING}
    y = b("qlookup", x, **attrs)
    return x if x_scale == y_scale and np.array_equal(table(attrs), VALUES) else y


def _name(b: Builder, op: Operator, table: str) -> str:
    number = b.option(op, table, "fused_activation_function")
    if not 0 <= number < len(ACTIVATIONS):
        raise inconsistent(f"{op.name} has activation {number}", b.emit.loc)
    name = ACTIVATIONS[number]
    if name != "NONE" and name not in BOUNDS:
        raise UnsupportedError(f"activation {name}, which TensorFlow Lite's own kernels leave out")
    return name

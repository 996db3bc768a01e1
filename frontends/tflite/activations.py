"""Activations that TensorFlow's operators carry with them."""

from __future__ import annotations

import numpy as np

from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.frontends.tflite.problems import UnsupportedError
from gradlet.frontends.tflite.schema import ACTIVATIONS
from gradlet.ir.graph import Value
from gradlet.ir.requantize import HIGHEST, LOWEST, round_half_away

_BOUNDS = {"RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}


def fused(b: Builder, op: Operator, table: str, y: Value) -> Value:
    """What the options of a float operator ask for behind it."""
    return activated(b, y, _name(b, op, table))


def activated(b: Builder, y: Value, name: str) -> Value:
    if name == "NONE":
        return y
    if name in ("RELU", "TANH"):
        return b(name.lower(), y)
    if name not in _BOUNDS:
        raise UnsupportedError(f"activation {name}")
    low, high = _BOUNDS[name]
    return b("clip", y, lo=low, hi=high)


def fused_int8(b: Builder, op: Operator, table: str, y: Value) -> Value:
    """What the options of an int8 operator ask for behind it."""
    return clamped_int8(b, op, y, _name(b, op, table))


def clamped_int8(b: Builder, op: Operator, y: Value, name: str) -> Value:
    """That of its result's scale: the converter gives what follows a ReLU the zero point -128."""
    if name == "NONE":
        return y
    if name not in _BOUNDS:
        raise UnsupportedError(f"activation {name} in int8")
    scale, zero = b.scale(b.y(op))
    low, high = (None if bound is None else _stored(bound, scale, zero) for bound in _BOUNDS[name])
    if (low is not None and low > LOWEST) or (high is not None and high < HIGHEST):
        what = f"{name} that clamps int8 to {low} and {HIGHEST if high is None else high}"
        raise UnsupportedError(f"{what}: calibrate the model so that it clamps to -128 and 127")
    return y


def _stored(real: float, scale: float, zero: int) -> int:
    return zero + int(round_half_away(np.array(real, np.float32) / np.float32(scale)))


def _name(b: Builder, op: Operator, table: str) -> str:
    number = b.option(op, table, "fused_activation_function")
    if not 0 <= number < len(ACTIVATIONS):
        raise inconsistent(f"{op.name} has activation {number}", b.emit.loc)
    return ACTIVATIONS[number]

"""Blocks of random int8 networks that apply a function to every element, or softmax to every row."""

from __future__ import annotations

from math import inf
from typing import Any

from gradlet.ir import int8_functions
from gradlet.ir.graph import Value
from gradlet.tests.random_int8_network import RandomNetwork, one_of, quant_of

FUNCTIONS: tuple[dict[str, Any], ...] = (
    *({"function": name} for name in ("sigmoid", "tanh", "hard_swish", "silu", "gelu", "abs", "neg", "sqrt")),
    {"function": "gelu", "approximate": True},
    {"function": "leaky_relu", "alpha": 0.1},
    {"function": "elu", "alpha": 1.0},
    {"function": "clip", "lo": 0.0, "hi": inf},
    {"function": "clip", "lo": -0.4, "hi": 0.9},
)


def looked_up(net: RandomNetwork, x: Value) -> Value:
    return applied(net, x, one_of(net.rng, FUNCTIONS))


def applied(net: RandomNetwork, x: Value, attrs: dict[str, Any]) -> Value:
    """One of FUNCTIONS of x."""
    real = int8_functions.FUNCTIONS[attrs["function"]].value(net.real(x), attrs)
    scales = {"x_scale": quant_of(x).scale[0], "x_zero": quant_of(x).zero_point[0], **net.range_of(real)}
    scales["y_scale"] = max(scales["y_scale"], scales["x_scale"] / 100)
    return net.op("qlookup", x, **attrs, **scales, rounding=net.rounding)


def normalized(net: RandomNetwork, x: Value) -> Value:
    scale = quant_of(x).scale[0]
    if net.chance(0.5):
        return net.op("qlog_softmax", x, x_scale=scale)
    return net.op("qsoftmax", x, x_scale=scale, beta=float(net.rng.uniform(0.5, 2)))


FUNCTIONS_OF_ONE = (looked_up, normalized)
# These have no form on int16.
INT8_FUNCTIONS = (normalized,)

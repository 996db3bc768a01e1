"""Activations that linear ops carry with them: `activation` is none, relu or relu6."""

from __future__ import annotations

import math

import numpy as np

from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Emit

BOUNDS = {"none": (-math.inf, math.inf), "relu": (0.0, math.inf), "relu6": (0.0, 6.0)}


def bounds(attrs: Attrs) -> tuple[float, float]:
    """The interval that the activation clamps to."""
    return BOUNDS[attrs.get("activation", "none")]


def check_activation(attrs: Attrs) -> None:
    if attrs.get("activation", "none") not in BOUNDS:
        raise ValueError(f"activation {attrs['activation']!r} is not one of {', '.join(BOUNDS)}")


def activate(x: np.ndarray, attrs: Attrs) -> np.ndarray:
    low, high = bounds(attrs)
    return x if (low, high) == BOUNDS["none"] else np.clip(x, low, high).astype(x.dtype)


def activation_gradient(emit: Emit, node: Node, grad: Value | None) -> Value:
    """The gradient before the activation of `node`, from the one after it and the node's output."""
    assert grad is not None
    activation, y = node.attrs.get("activation", "none"), node.outputs[0]
    if activation == "none":
        return grad
    if activation == "relu":
        return emit("relu_grad", grad, y)
    low, high = BOUNDS[activation]
    return emit("clip_grad", grad, y, lo=low, hi=high)

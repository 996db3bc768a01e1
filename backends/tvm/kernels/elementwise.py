"""Ops that treat every element alike: arithmetic, activations and their gradients, masks."""

from __future__ import annotations

import math
from typing import Any

from gradlet.backends.tvm.expressions import between, c_function, clamp, pointwise, select, sigmoid
from gradlet.backends.tvm.package import te
from gradlet.ir.graph import Attrs


def _silu_grad(attrs: Attrs, g: Any, x: Any) -> Any:
    s = sigmoid(x)
    return g * s * (1 + x * (1 - s))


def _hard_swish_grad(attrs: Attrs, g: Any, x: Any) -> Any:
    return g * select(te.abs(x) < 3, x / 3 + 0.5, 1.0 * (x > 0))


def _masked(attrs: Attrs, g: Any, m: Any) -> Any:
    return select(m, g * float(attrs.get("scale", 1.0)), 0.0)


KERNELS = {
    "add": pointwise(lambda attrs, a, b: a + b),
    "sub": pointwise(lambda attrs, a, b: a - b),
    "mul": pointwise(lambda attrs, a, b: a * b),
    "div": pointwise(lambda attrs, a, b: a / b),
    "bias_add": pointwise(lambda attrs, x, b: x + b),
    "neg": pointwise(lambda attrs, x: -x),
    "exp": pointwise(lambda attrs, x: te.exp(x)),
    "log": pointwise(lambda attrs, x: te.log(x)),
    "sqrt": pointwise(lambda attrs, x: te.sqrt(x)),
    "rsqrt": pointwise(lambda attrs, x: 1.0 / te.sqrt(x)),
    "scale": pointwise(lambda attrs, x: x * float(attrs["factor"])),
    "relu": pointwise(lambda attrs, x: clamp(x, 0, math.inf)),
    "relu_grad": pointwise(lambda attrs, g, y: select(y > 0, g, 0.0)),
    "clip": pointwise(lambda attrs, x: clamp(x, attrs["lo"], attrs["hi"])),
    "clip_grad": pointwise(lambda attrs, g, y: select(between(y, attrs["lo"], attrs["hi"]), g, 0.0)),
    "sigmoid": pointwise(lambda attrs, x: sigmoid(x)),
    "sigmoid_grad": pointwise(lambda attrs, g, y: g * y * (1 - y)),
    "tanh": pointwise(lambda attrs, x: c_function("tanhf", x)),
    "tanh_grad": pointwise(lambda attrs, g, y: g * (1 - y * y)),
    "silu": pointwise(lambda attrs, x: x * sigmoid(x)),
    "silu_grad": pointwise(_silu_grad),
    "hard_swish": pointwise(lambda attrs, x: x * (clamp(x + 3, 0, 6) / 6)),
    "hard_swish_grad": pointwise(_hard_swish_grad),
    "inside": pointwise(lambda attrs, y: between(y, attrs["lo"], attrs["hi"])),
    "masked": pointwise(_masked),
}

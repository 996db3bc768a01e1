"""leaky_relu, elu, gelu, abs and their gradients."""

from __future__ import annotations

import math
from typing import Any

from gradlet.backends.tvm.expressions import c_function, pointwise, select
from gradlet.backends.tvm.package import te
from gradlet.ir.graph import Attrs
from gradlet.ir.ops.gelu import CUBIC, ROOT


def _leaky_relu_grad(attrs: Attrs, g: Any, x: Any) -> Any:
    return select(x > 0, g, g * float(attrs["alpha"]))


def _elu(attrs: Attrs, x: Any) -> Any:
    return select(x > 0, x, (te.exp(x) - 1) * float(attrs["alpha"]))


def _elu_grad(attrs: Attrs, g: Any, x: Any) -> Any:
    return select(x > 0, g, g * te.exp(x) * float(attrs["alpha"]))


def _share(attrs: Attrs, x: Any) -> Any:
    """By what gelu multiplies x."""
    if attrs.get("approximate", False):
        return 0.5 * (1 + _tanh(x))
    return 0.5 * (1 + c_function("erff", x * math.sqrt(0.5)))


def _slope(attrs: Attrs, x: Any) -> Any:
    """Of `_share`."""
    if attrs.get("approximate", False):
        t = _tanh(x)
        return 0.5 * (1 - t * t) * (ROOT * (1 + 3 * CUBIC * x * x))
    return te.exp(-0.5 * x * x) * (ROOT / 2)


def _tanh(x: Any) -> Any:
    return c_function("tanhf", ROOT * (x + CUBIC * x * x * x))


def _gelu_grad(attrs: Attrs, g: Any, x: Any) -> Any:
    return g * (_share(attrs, x) + x * _slope(attrs, x))


KERNELS = {
    "leaky_relu": pointwise(lambda attrs, x: select(x > 0, x, x * float(attrs["alpha"]))),
    "leaky_relu_grad": pointwise(_leaky_relu_grad),
    "elu": pointwise(_elu),
    "elu_grad": pointwise(_elu_grad),
    "gelu": pointwise(lambda attrs, x: x * _share(attrs, x)),
    "gelu_grad": pointwise(_gelu_grad),
    "abs": pointwise(lambda attrs, x: te.abs(x)),
    "abs_grad": pointwise(lambda attrs, g, x: g * select(x > 0, 1.0, select(x < 0, -1.0, x))),
}

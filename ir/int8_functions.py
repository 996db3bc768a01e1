"""Functions of one int8 value as tables of all 256: of the nearest integers, or of those that TFLite's kernels make."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlet.ir import tflite_functions as tflite
from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import OpDef
from gradlet.ir.ops.abs import ABS, ABS_GRAD
from gradlet.ir.ops.clip import CLIP, CLIP_GRAD, check_bounds
from gradlet.ir.ops.elu import ELU, ELU_GRAD
from gradlet.ir.ops.gelu import GELU, GELU_GRAD
from gradlet.ir.ops.hard_swish import HARD_SWISH, HARD_SWISH_GRAD
from gradlet.ir.ops.leaky_relu import LEAKY_RELU, LEAKY_RELU_GRAD
from gradlet.ir.ops.sigmoid import SIGMOID, SIGMOID_GRAD
from gradlet.ir.ops.silu import SILU, SILU_GRAD
from gradlet.ir.ops.tanh import TANH, TANH_GRAD
from gradlet.ir.requantize import HIGHEST, LOWEST, clamped, round_half_away, rounding

VALUES = np.arange(LOWEST, HIGHEST + 1)

# (numbers, attributes) -> numbers
Curve = Callable[[np.ndarray, Attrs], np.ndarray]


@dataclass(frozen=True)
class Function:
    """A real function.

    Attributes:
        value: f(x), in float64.
        slope: f'(x), in float64.
        check: Raises ValueError or KeyError unless the attributes have what the function needs besides.
        single: f(x) in float32, where TFLite's roundings on the way show; None: `value`, rounded once.
        fixed: As TFLite computes it in integers: from x - x_zero, y - y_zero. None: it makes a table by `single`.
    """

    value: Curve
    slope: Curve
    check: Callable[[Attrs], object] = lambda attrs: None
    single: Curve | None = None
    fixed: Curve | None = None


def table(attrs: Attrs) -> np.ndarray:
    """i8[256]: the results for -128 to 127; NaN counts as the lowest."""
    function, x = FUNCTIONS[attrs["function"]], VALUES - attrs["x_zero"]
    with np.errstate(all="ignore"):
        if rounding(attrs) == "float":
            r = np.rint(function.value(x * attrs["x_scale"], attrs) / attrs["y_scale"])
        elif function.fixed:
            r = function.fixed(x, attrs)
        else:
            r = _looked_up(function, x, attrs)
    y, _ = clamped(np.where(np.isnan(r), -np.inf, r), attrs)
    return y.astype(np.int8)


def smooth(x: np.ndarray, attrs: Attrs) -> np.ndarray:
    """The straight-through surrogate, of float64."""
    return clamped(exact(x, attrs), attrs)[0]


def slopes(x: np.ndarray, attrs: Attrs) -> np.ndarray:
    """float64: how fast the result grows with x, zero where the result is clamped."""
    r = exact(x, attrs)
    _, inside = clamped(r if x.dtype.kind == "f" else np.rint(r), attrs)
    with np.errstate(all="ignore"):
        slope = FUNCTIONS[attrs["function"]].slope(_real(x, attrs), attrs) * (attrs["x_scale"] / attrs["y_scale"])
    return np.where(inside & np.isfinite(slope), slope, 0.0)


def slope_table(attrs: Attrs) -> np.ndarray:
    """f32[256]: the slopes at -128 to 127."""
    return slopes(VALUES, attrs).astype(np.float32)


def _real(x: np.ndarray, attrs: Attrs) -> np.ndarray:
    real: np.ndarray = (x.astype(np.float64) - attrs["x_zero"]) * attrs["x_scale"]
    return real


def exact(x: np.ndarray, attrs: Attrs) -> np.ndarray:
    """f(x) in units of the result, float64."""
    with np.errstate(all="ignore"):
        found: np.ndarray = FUNCTIONS[attrs["function"]].value(_real(x, attrs), attrs) / attrs["y_scale"]
    return found


def _looked_up(function: Function, x: np.ndarray, attrs: Attrs) -> np.ndarray:
    """As TFLite makes a table: every operation rounded to float32, scales too."""
    single = function.single or (lambda x, attrs: tflite.rounded(lambda x: function.value(x, attrs), x))
    y = single(tflite.single(attrs["x_scale"]) * tflite.single(x), attrs)
    return round_half_away(y * (np.float32(1) / np.float32(attrs["y_scale"])))


def _op(op: OpDef, grad: OpDef, *, reads_output: bool = False, **more: Callable[..., object]) -> Function:
    """The function of a float op; its gradient op reads the input or the output."""

    def value(x: np.ndarray, attrs: Attrs) -> np.ndarray:
        (y,) = op.evaluate([x], attrs)
        return np.asarray(y)

    def slope(x: np.ndarray, attrs: Attrs) -> np.ndarray:
        (grown,) = grad.evaluate([np.ones_like(x), value(x, attrs) if reads_output else x], attrs)
        return np.asarray(grown)

    return Function(value, slope, **more)  # type: ignore[arg-type]


def _check_alpha(attrs: Attrs) -> None:
    if not isinstance(attrs["alpha"], float) or not math.isfinite(attrs["alpha"]):
        raise ValueError(f"alpha is {attrs['alpha']}, not a finite number")


def _positive(x: np.ndarray) -> Any:
    """Numbers outside of the domain count as its end."""
    return np.maximum(x, 0)


FUNCTIONS = {
    "abs": _op(ABS, ABS_GRAD, fixed=tflite.fixed_abs),
    "clip": _op(CLIP, CLIP_GRAD, reads_output=True, check=check_bounds, fixed=tflite.fixed_clip),
    "elu": _op(ELU, ELU_GRAD, check=_check_alpha),
    "exp": Function(lambda x, attrs: np.exp(x), lambda x, attrs: np.exp(x)),
    "gelu": _op(GELU, GELU_GRAD, single=tflite.single_gelu),
    "hard_swish": _op(HARD_SWISH, HARD_SWISH_GRAD, fixed=tflite.fixed_hard_swish),
    "leaky_relu": _op(LEAKY_RELU, LEAKY_RELU_GRAD, check=_check_alpha, fixed=tflite.fixed_leaky_relu),
    "log": Function(lambda x, attrs: np.log(_positive(x)), lambda x, attrs: 1 / x),
    "neg": Function(lambda x, attrs: -x, lambda x, attrs: -np.ones_like(x), fixed=tflite.fixed_neg),
    "rsqrt": Function(
        lambda x, attrs: 1 / np.sqrt(_positive(x)),
        lambda x, attrs: -0.5 * _positive(x) ** -1.5,
        fixed=tflite.fixed_rsqrt,
    ),
    "sigmoid": _op(SIGMOID, SIGMOID_GRAD, reads_output=True, single=tflite.single_sigmoid),
    "silu": _op(SILU, SILU_GRAD),
    "sqrt": Function(
        lambda x, attrs: np.sqrt(_positive(x)), lambda x, attrs: 0.5 / np.sqrt(_positive(x)), fixed=tflite.fixed_sqrt
    ),
    "tanh": _op(TANH, TANH_GRAD, reads_output=True, single=tflite.single_tanh),
}

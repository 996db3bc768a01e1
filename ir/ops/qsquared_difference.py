"""qsquared_difference(x1, x2): the square of the difference of two int8 tensors of any scales, requantised."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlet.ir.broadcasting import sum_to
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, OpDef, Results
from gradlet.ir.quantized_linear import asked_mask, without_mask
from gradlet.ir.quantized_pairs import infer_int8_pair, is_smooth, pair_examples, without_zeros
from gradlet.ir.requantize import finished, multiply_fixed, quantize_multiplier, rounding

# Bits that TFLite puts behind the point before it scales the operands.
LEFT_SHIFT = 7


def float_factors(attrs: Attrs) -> tuple[float, float, float]:
    """What the operands, and then the square of their difference, are multiplied with, in float64."""
    return attrs["x1_scale"], attrs["x2_scale"], 1 / attrs["y_scale"]


def fixed_factors(attrs: Attrs) -> tuple[float, float, float]:
    """TFLite's: operands in units of twice the larger scale, shifted to the left by 7 bits before."""
    twice = 2 * max(attrs["x1_scale"], attrs["x2_scale"])
    square = twice * twice / ((1 << 2 * LEFT_SHIFT) * attrs["y_scale"])
    return attrs["x1_scale"] / twice, attrs["x2_scale"] / twice, square


def _fixed(x1: np.ndarray, x2: np.ndarray, attrs: Attrs) -> np.ndarray:
    kind = rounding(attrs)

    def scaled(x: np.ndarray, real: float) -> np.ndarray:
        mantissa, shift = quantize_multiplier(real)
        return multiply_fixed(x, np.array(mantissa), np.array(shift), kind)

    first, second, square = fixed_factors(attrs)
    difference = scaled(x1 << LEFT_SHIFT, first) - scaled(x2 << LEFT_SHIFT, second)
    return scaled(difference * difference, square)


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    x1, x2 = without_zeros(args, attrs)
    if not is_smooth(args) and rounding(attrs) != "float":
        return finished(_fixed(x1, x2, attrs), attrs, is_smooth(args))
    kind: Any = np.float64 if is_smooth(args) else np.float32
    first, second, square = (kind(f) for f in float_factors(attrs))
    difference = x1.astype(kind) * first - x2.astype(kind) * second
    r = difference * difference * square
    return finished(r if is_smooth(args) else np.rint(r), attrs, is_smooth(args))


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    (x1, x2), attrs = node.inputs, node.attrs
    g = emit("rescale_gradient", grads[0], asked_mask(emit, node), mask=True)
    first, second = (
        emit("dequantize", x, scale=attrs[f"{name}_scale"], zero_point=attrs[f"{name}_zero"])
        for name, x in (("x1", x1), ("x2", x2))
    )
    slope = emit("mul", g, emit("sub", first, second))
    factors = 2 * attrs["x1_scale"] / attrs["y_scale"], -2 * attrs["x2_scale"] / attrs["y_scale"]
    return [emit("scale", sum_to(emit, slope, x.type.shape), factor=f) for x, f in zip((x1, x2), factors, strict=True)]


QUANT = {"x1_scale": 0.05, "x1_zero": -3, "x2_scale": 0.031, "x2_zero": 10, "y_scale": 0.73, "y_zero": -128}

QSQUARED_DIFFERENCE = OpDef(
    name="qsquared_difference",
    infer=infer_int8_pair,
    evaluate=_evaluate,
    gradient=_gradient,
    inference=without_mask,
    may_overwrite={0: (0, 1)},
    examples=pair_examples(QUANT, QUANT | {"y_scale": 0.1171, "mask": True}),
)

OPS = (QSQUARED_DIFFERENCE,)

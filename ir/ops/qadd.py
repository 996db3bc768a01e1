"""qadd(x1, x2): the sum of two int8 tensors with scales of their own, requantised."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.quantized_linear import asked_mask, with_mask, without_mask
from gradlet.ir.quantized_samples import i8, integers, q8
from gradlet.ir.requantize import (
    check_quantized,
    check_scales,
    check_zero_points,
    clamped,
    multiply_fixed,
    quantize_multiplier,
    rounding,
)
from gradlet.ir.tensor_type import TensorType

# Bits that TFLite puts behind the point before it scales the operands.
LEFT_SHIFT = 20


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    for type_ in types:
        check_quantized(type_, "operand")
    if types[0].shape != types[1].shape:
        raise ValueError(f"{types[0]} and {types[1]} differ")
    check_zero_points(attrs, "x1_zero", "x2_zero", "y_zero")
    check_scales(attrs, "x1_scale", "x2_scale", "y_scale")
    rounding(attrs)
    return with_mask(types[0].shape, attrs)


def factors(attrs: Attrs) -> tuple[float, float]:
    """What the operands are multiplied with, in float64."""
    return attrs["x1_scale"] / attrs["y_scale"], attrs["x2_scale"] / attrs["y_scale"]


def fixed_factors(attrs: Attrs) -> tuple[float, float, float]:
    """TFLite's, of x1, x2 and their sum: operands in units of twice the larger scale, 20 bits behind the point.

    The operands are shifted to the left by these bits before they are multiplied.
    """
    twice = 2 * max(attrs["x1_scale"], attrs["x2_scale"])
    return attrs["x1_scale"] / twice, attrs["x2_scale"] / twice, twice / ((1 << LEFT_SHIFT) * attrs["y_scale"])


def _fixed(x1: np.ndarray, x2: np.ndarray, attrs: Attrs) -> np.ndarray:
    kind = rounding(attrs)

    def scaled(x: np.ndarray, real: float) -> np.ndarray:
        mantissa, shift = quantize_multiplier(real)
        return multiply_fixed(x, np.array(mantissa), np.array(shift), kind)

    first, second, both = fixed_factors(attrs)
    return scaled(scaled(x1 << LEFT_SHIFT, first) + scaled(x2 << LEFT_SHIFT, second), both)


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    smooth = any(a.dtype.kind == "f" for a in args)
    x1, x2 = (
        a.astype(np.float64 if smooth else np.int64) - attrs[z]
        for a, z in zip(args, ("x1_zero", "x2_zero"), strict=True)
    )
    if smooth:
        first, second = factors(attrs)
        r = x1 * first + x2 * second
    elif rounding(attrs) == "float":
        f1, f2 = (np.float32(f) for f in factors(attrs))
        r = np.rint(x1.astype(np.float32) * f1 + x2.astype(np.float32) * f2)
    else:
        r = _fixed(x1, x2, attrs)
    y, inside = clamped(r, attrs["y_zero"])
    y = y if smooth else y.astype(np.int8)
    return [y, inside] if attrs.get("mask") else [y]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    g = emit("rescale_gradient", grads[0], asked_mask(emit, node), mask=True)
    return [emit("rescale_gradient", g, factor=factor) for factor in factors(node.attrs)]


QUANT = {"x1_scale": 0.05, "x1_zero": -3, "x2_scale": 0.03, "x2_zero": 10, "y_scale": 0.06, "y_zero": -7}
LOUD = QUANT | {"y_scale": 0.02, "mask": True}

QADD = OpDef(
    name="qadd",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    inference=without_mask,
    may_overwrite={0: (0, 1)},
    examples=[
        Example([q8(2, 3, 4, 5), q8(2, 3, 4, 5)], QUANT, integers(), (0, 1)),
        Example([q8(1, 3, 3, 9), q8(1, 3, 3, 9)], LOUD, integers(), (0, 1)),
        Example([q8(7), q8(7)], LOUD, integers(), (0, 1)),
        Example([i8(1, 3, 4, 5), i8(1, 3, 4, 5)], LOUD | {"rounding": "double_rounding"}, integers(), ()),
        Example([i8(1, 3, 4, 5), i8(1, 3, 4, 5)], QUANT | {"rounding": "single_rounding"}, integers(), ()),
    ],
)

OPS = (QADD,)

"""qadd(x1, x2): the sum of two int8 tensors with scales of their own, requantised; with `subtract` their difference."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.quantized_linear import asked_mask, without_mask
from gradlet.ir.quantized_pairs import infer_pair, is_smooth, pair_examples, sixteen_bits, without_zeros
from gradlet.ir.quantized_samples import i8, integers, q8
from gradlet.ir.requantize import finished, multiply_fixed, quantize_multiplier, rounding

# Bits that TFLite puts behind the point before it scales the operands.
LEFT_SHIFT = 20


def sign(attrs: Attrs) -> int:
    """Of the second operand."""
    return -1 if attrs.get("subtract") else 1


def factors(attrs: Attrs) -> tuple[float, float]:
    """What the operands are multiplied with, in float64."""
    return attrs["x1_scale"] / attrs["y_scale"], sign(attrs) * attrs["x2_scale"] / attrs["y_scale"]


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
    return scaled(scaled(x1 << LEFT_SHIFT, first) + sign(attrs) * scaled(x2 << LEFT_SHIFT, second), both)


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    x1, x2 = without_zeros(args, attrs)
    if is_smooth(args):
        first, second = factors(attrs)
        r = x1 * first + x2 * second
    elif rounding(attrs) == "float":
        f1, f2 = (np.float32(f) for f in factors(attrs))
        r = np.rint(x1.astype(np.float32) * f1 + x2.astype(np.float32) * f2)
    else:
        r = _fixed(x1, x2, attrs)
    return finished(r, attrs, is_smooth(args))


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    g = emit("rescale_gradient", grads[0], asked_mask(emit, node), mask=True)
    return [_of_operand(emit, g, x, f) for x, f in zip(node.inputs, factors(node.attrs), strict=True)]


def _of_operand(emit: Emit, g: Value, x: Value, factor: float) -> Value:
    if x.type.shape == g.type.shape:
        return emit("rescale_gradient", g, factor=factor)
    return emit("qadd_input_grad", g, shape=x.type.shape, factor=factor)


QUANT = {"x1_scale": 0.05, "x1_zero": -3, "x2_scale": 0.03, "x2_zero": 10, "y_scale": 0.06, "y_zero": -7}
LOUD = QUANT | {"y_scale": 0.0213, "mask": True}
MINUS = {"subtract": True}

QADD = OpDef(
    name="qadd",
    infer=infer_pair,
    evaluate=_evaluate,
    gradient=_gradient,
    inference=without_mask,
    # An operand that was broadcast is smaller than the output, so that it never lends its storage.
    may_overwrite={0: (0, 1)},
    examples=[
        *pair_examples(QUANT, LOUD),
        *sixteen_bits(QUANT, LOUD),
        Example([q8(2, 3, 4, 5), q8(5)], QUANT | MINUS, integers(), (0, 1)),
        Example([q8(3, 7), q8(3, 7)], LOUD | MINUS, integers(), (0, 1)),
        Example([i8(1, 3, 4, 5), i8(1, 3, 4, 5)], LOUD | MINUS | {"rounding": "double_rounding"}, integers(), ()),
        Example([i8(3, 4, 1), i8(1, 3, 4, 5)], QUANT | MINUS | {"rounding": "single_rounding"}, integers(), ()),
    ],
)

OPS = (QADD,)

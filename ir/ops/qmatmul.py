"""qmatmul(x1, x2): the matrix product, as matmul, of two int8 tensors with scales of their own, requantised."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.ops.matmul import MATMUL, operand_gradients
from gradlet.ir.quantized_linear import asked_mask, with_mask, without_mask
from gradlet.ir.quantized_pairs import check_pair, finished, is_smooth, without_zeros
from gradlet.ir.quantized_samples import i8, integers, q8
from gradlet.ir.requantize import multiply_fixed, quantize_multiplier, rounding
from gradlet.ir.tensor_type import TensorType, f32

_BOTH = (0, 1)


def factor(attrs: Attrs) -> float:
    """What sums of products of integers are multiplied with, in float64."""
    return float(attrs["x1_scale"] * attrs["x2_scale"] / attrs["y_scale"])


def depth(x1: TensorType, attrs: Attrs) -> int:
    """How many products a result is the sum of."""
    return x1.shape[-2 if attrs.get("transpose_a", False) else -1]


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_pair(types, attrs)
    (y,) = MATMUL.infer([f32(*t.shape) for t in types], attrs)
    if depth(types[0], attrs) * 255 * 255 >= 2**31:
        raise ValueError(f"sums of {depth(types[0], attrs)} products may exceed int32")
    return with_mask(y.shape, attrs)


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    kind = rounding(attrs)
    # float64 holds the sums exactly.
    (sums,) = MATMUL.evaluate([x.astype(np.float64) for x in without_zeros(args, attrs)], attrs)
    if is_smooth(args):
        r = sums * factor(attrs)
    elif kind == "float":
        r = np.rint(sums.astype(np.float32) * np.float32(factor(attrs)))
    else:
        mantissa, shift = quantize_multiplier(factor(attrs))
        r = multiply_fixed(sums.astype(np.int64), np.array(mantissa), np.array(shift), kind)
    return finished(r, args, attrs)


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    attrs = node.attrs
    g = emit("rescale_gradient", grads[0], asked_mask(emit, node), mask=True, factor=factor(attrs))
    a, b = (
        emit("dequantize", x, scale=1.0, zero_point=attrs[zero])
        for x, zero in zip(node.inputs, ("x1_zero", "x2_zero"), strict=True)
    )
    return operand_gradients(emit, g, a, b, attrs)


QUANT = {"x1_scale": 0.05, "x1_zero": -3, "x2_scale": 0.03, "x2_zero": 10, "y_scale": 0.9, "y_zero": -7}
LOUD = QUANT | {"y_scale": 0.0613, "mask": True}
_TWICE, _ONCE = {"rounding": "double_rounding"}, {"rounding": "single_rounding"}
_A, _B = {"transpose_a": True}, {"transpose_b": True}

QMATMUL = OpDef(
    name="qmatmul",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    macs=MATMUL.macs,
    inference=without_mask,
    examples=[
        Example([q8(5, 9), q8(9, 7)], QUANT, integers(), _BOTH),
        Example([q8(2, 9, 5), q8(9, 7)], LOUD | _A, integers(), _BOTH),
        Example([q8(2, 5, 9), q8(7, 9)], LOUD | _B, integers(), _BOTH),
        Example([q8(9, 5), q8(3, 7, 9)], QUANT | _A | _B, integers(), _BOTH),
        Example([q8(3, 2, 5, 9), q8(3, 2, 9, 7)], QUANT, integers(), _BOTH),
        Example([i8(2, 5, 33), i8(2, 33, 7)], LOUD | _TWICE, integers(), ()),
        Example([i8(5, 33), i8(7, 33)], QUANT | _B | _ONCE, integers(), ()),
    ],
)

OPS = (QMATMUL,)

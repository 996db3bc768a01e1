"""qmul(x1, x2): the product of two int8 tensors with scales of their own, requantised."""

import math
from collections.abc import Sequence

import numpy as np

from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, OpDef, Results
from gradlet.ir.quantized_linear import asked_mask, without_mask
from gradlet.ir.quantized_pairs import infer_pair, is_smooth, pair_examples, sixteen_bits, without_zeros
from gradlet.ir.requantize import finished, multiply_fixed, quantize_multiplier, rounding
from gradlet.ir.tensor_type import TensorType


def factor(attrs: Attrs) -> float:
    """What products of integers are multiplied with: rounded to float32 twice, as TFLite computes it."""
    with np.errstate(over="ignore"):
        first, second, result = (np.float32(attrs[name]) for name in ("x1_scale", "x2_scale", "y_scale"))
        return float(first * second / result)


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    found = infer_pair(types, attrs)
    if not 0 < factor(attrs) < math.inf:
        raise ValueError(f"products times {factor(attrs)}: the scales do not fit together")
    return found


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    x1, x2 = without_zeros(args, attrs)
    product, kind = x1 * x2, rounding(attrs)
    if is_smooth(args):
        r = product * factor(attrs)
    elif kind == "float":
        r = np.rint(product.astype(np.float32) * np.float32(factor(attrs)))
    else:
        mantissa, shift = quantize_multiplier(factor(attrs))
        r = multiply_fixed(product, np.array(mantissa), np.array(shift), kind)
    return finished(r, attrs, is_smooth(args))


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    (x1, x2), attrs = node.inputs, node.attrs
    g = emit("rescale_gradient", grads[0], asked_mask(emit, node), mask=True)
    others = ((x1, x2, attrs["x2_zero"]), (x2, x1, attrs["x1_zero"]))
    return [
        emit("qmul_input_grad", g, other, shape=x.type.shape, zero_point=zero, factor=factor(attrs))
        for x, other, zero in others
    ]


QUANT = {"x1_scale": 0.05, "x1_zero": -3, "x2_scale": 0.03, "x2_zero": 10, "y_scale": 0.4, "y_zero": -7}

QMUL = OpDef(
    name="qmul",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    inference=without_mask,
    # An operand that was broadcast is smaller than the output, so that it never lends its storage.
    may_overwrite={0: (0, 1)},
    examples=[
        *pair_examples(QUANT, QUANT | {"y_scale": 0.02, "mask": True}),
        *sixteen_bits(QUANT | {"y_scale": 70.0}, QUANT | {"y_scale": 20.0, "mask": True}),
    ],
)

OPS = (QMUL,)

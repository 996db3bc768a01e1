"""qprelu(x1, x2): x1 where it is not negative, else x1 * x2, of int8 tensors with scales of their own; its gradient."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.broadcasting import broadcast_shape, sum_to
from gradlet.ir.elementwise import check_count, check_float
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.quantized_linear import asked_mask, without_mask
from gradlet.ir.quantized_pairs import infer_int8_pair, is_smooth, pair_examples, without_zeros
from gradlet.ir.quantized_samples import i8, integers
from gradlet.ir.requantize import check_quantized, finished, multiply_fixed, quantize_multiplier, rounding
from gradlet.ir.tensor_type import TensorType, f32


def factors(attrs: Attrs) -> tuple[float, float]:
    """What x1 and what products are multiplied with: rounded to float32 at each step, as TFLite computes it."""
    with np.errstate(over="ignore"):
        first, second, result = (np.float32(attrs[name]) for name in ("x1_scale", "x2_scale", "y_scale"))
        return float(first / result), float(first * second / result)


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    found = infer_int8_pair(types, attrs)
    if not all(0 < f < np.inf for f in factors(attrs)):
        raise ValueError(f"numbers times {factors(attrs)}: the scales do not fit together")
    return found


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    (x, slope), kind = without_zeros(args, attrs), rounding(attrs)

    def scaled(terms: np.ndarray, factor: float) -> np.ndarray:
        if is_smooth(args):
            return terms * factor
        if kind == "float":
            rounded: np.ndarray = np.rint(terms.astype(np.float32) * np.float32(factor))
            return rounded
        mantissa, shift = quantize_multiplier(factor)
        return multiply_fixed(terms, np.array(mantissa), np.array(shift), kind)

    positive, negative = factors(attrs)
    return finished(np.where(x >= 0, scaled(x, positive), scaled(x * slope, negative)), attrs, is_smooth(args))


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    g = emit("rescale_gradient", grads[0], asked_mask(emit, node), mask=True)
    kept = {k: v for k, v in node.attrs.items() if k not in ("mask", "rounding", "y_zero")}
    return [
        sum_to(emit, emit("qprelu_grad", g, *node.inputs, **kept, of=k), x.type.shape)
        for k, x in enumerate(node.inputs)
    ]


def _infer_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 3)
    g, x, slope = types
    check_float(g)
    for type_ in (x, slope):
        check_quantized(type_, "operand")
    if g.shape != broadcast_shape([x, slope]) or attrs["of"] not in (0, 1):
        raise ValueError(f"{g} is no gradient of {x} with slopes {slope}")
    return [f32(*g.shape)]


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    g = args[0]
    x, slope = (a.astype(g.dtype) for a in without_zeros(args[1:], attrs))
    positive, negative = (g.dtype.type(f) for f in factors(attrs))
    if attrs["of"] == 0:
        return [g * np.where(x >= 0, positive, slope * negative)]
    return [g * np.where(x >= 0, g.dtype.type(0), x * negative)]


QUANT = {"x1_scale": 0.05, "x1_zero": -3, "x2_scale": 0.0031, "x2_zero": 10, "y_scale": 0.0613, "y_zero": -7}
LOUD = QUANT | {"y_scale": 0.0213, "mask": True}

QPRELU = OpDef(
    name="qprelu",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    inference=without_mask,
    may_overwrite={0: (0, 1)},
    examples=pair_examples(QUANT, LOUD),
)

# Of the operand `of`, before sums over what was repeated.
QPRELU_GRAD = OpDef(
    name="qprelu_grad",
    infer=_infer_grad,
    evaluate=_evaluate_grad,
    may_overwrite={0: (0,)},
    examples=[
        Example([f32(2, 3, 40), i8(2, 3, 40), i8(40)], QUANT | {"of": 0}, integers(), ()),
        Example([f32(2, 3, 40), i8(2, 3, 40), i8(3, 1)], QUANT | {"of": 1}, integers(), ()),
    ],
)

OPS = (QPRELU, QPRELU_GRAD)

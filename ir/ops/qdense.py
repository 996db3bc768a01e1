"""qdense(x, w, bias, scale, multiplier?) of x i8[N, K] and w i8[O, K]: int32 sums, requantised; its two gradients."""

from collections.abc import Sequence

from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import Arrays, Example, OpDef, Results
from gradlet.ir.ops.dense import DENSE, DENSE_WEIGHT_GRAD
from gradlet.ir.ops.matmul import MATMUL
from gradlet.ir.quantized_linear import Linear
from gradlet.ir.quantized_samples import i8, i16, integers, q8, q16, q_bias
from gradlet.ir.tensor_type import TensorType, b1, f32, i32


def _infer_weight_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    return list(DENSE_WEIGHT_GRAD.infer(types[::-1], attrs))


def _evaluate_weight_grad(args: Arrays, attrs: Attrs) -> Results:
    return DENSE_WEIGHT_GRAD.evaluate(args[::-1], attrs)


# Of (x, g), as the convolutions have it.
_WEIGHT_GRAD = OpDef(
    name="dense_weight_grad",
    infer=_infer_weight_grad,
    evaluate=_evaluate_weight_grad,
    macs=lambda node: node.outputs[0].type.size * (node.inputs[0].type.size // node.inputs[0].type.shape[-1]),
    slices=lambda node: {0: ((1, 1),), 1: ((0, 1),)},
)

QUANT = {"x_zero": -3, "y_zero": 5, "y_scale": 0.05}
SIXTEEN = {"bits": 16, "x_zero": 0, "y_zero": 0, "y_scale": 0.05}
EPILOGUE = {"mask": True, "scale": True, "dtype": "int8"}

FORWARD = [
    Example([q8(2, 9, zero=-3), q8(5, 9), q_bias(5), f32(5)], QUANT | {"mask": True}, integers(), (0, 1, 2)),
    Example([q8(1, 7, zero=-3), q8(3, 4), q8(3, 3), q_bias(3), f32(3)], QUANT | {"parts": 2}, integers(), (0, 1, 2, 3)),
    Example([q16(2, 9), q8(5, 9), q_bias(5), f32(5)], SIXTEEN | {"mask": True}, integers(1e-3), (0, 1, 2)),
    # Sums beyond int32.
    Example([q16(1, 700), q8(3, 700), q_bias(3), f32(3)], SIXTEEN | {"y_min": 0}, integers(1e-4), (0, 1, 2)),
    Example([i8(1, 16), i8(6, 16), i32(6), f32(6), i32(6, 2)], QUANT | {"rounding": "double_rounding"}, integers(), ()),
    Example([i8(3, 16), i8(6, 16), i32(6), f32(6), i32(6, 2)], QUANT | {"rounding": "single_rounding"}, integers(), ()),
]

INPUT_GRAD = [
    Example([f32(2, 5), i8(5, 9)], {}, integers(), ()),
    Example([i8(2, 5), f32(2), i8(5, 9), b1(2, 9), f32(9), f32(2)], EPILOGUE, integers(), ()),
]

WEIGHT_GRAD = [
    Example([i8(2, 9), f32(2, 5)], {"x_zero": -128}, integers(), ()),
    Example([i8(2, 9), i8(2, 5)], {"x_zero": 7}, integers(), ()),
    Example([i16(2, 9), f32(2, 5)], {"x_zero": 0}, integers(), ()),
    Example([i16(2, 9), i8(2, 5)], {"x_zero": 0}, integers(), ()),
]

OPS = Linear(
    name="qdense",
    forward=DENSE,
    input_grad=MATMUL,
    weight_grad=_WEIGHT_GRAD,
    out_axis=0,
    in_axis=1,
    examples=(FORWARD, INPUT_GRAD, WEIGHT_GRAD),
).ops()

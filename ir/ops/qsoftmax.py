"""qsoftmax(x): softmax along the last axis in integers, to the bit as TFLite's reference kernel; its gradient.

The result has scale 1/256 and zero point -128, as TFLite asks for.
"""

import math
from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import check_count
from gradlet.ir.exact_math import ordered_sum
from gradlet.ir.fixed_point import SUM_BITS, exponentials, high_product, reciprocal, sum_of
from gradlet.ir.gradient_epilogue import LIMITS, arrays_of, finish, infer_result, types_of
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.ops.rescale_gradient import ALL, I8, I16
from gradlet.ir.quantized_samples import i8, i16, integers, q8
from gradlet.ir.requantize import LOWEST, check_quantized, check_scales, clamped, divide_by_power_of_two, with_mask
from gradlet.ir.tensor_type import DType, TensorType, b1, f32

# What 1 is as a result.
ONE = 256
_RESULT = {"y_scale": 1 / ONE, "y_zero": LOWEST}


def factor(attrs: Attrs) -> float:
    """What differences of integers are multiplied with."""
    return float(attrs["x_scale"] * attrs.get("beta", 1.0))


def check_rows(x: TensorType) -> None:
    """Raises ValueError for an operand over whose last axis exponentials cannot be summed."""
    check_quantized(x, "x")
    if not x.shape or x.shape[-1] >= 1 << SUM_BITS:
        raise ValueError(f"the last axis of {x} is none of 1 to {(1 << SUM_BITS) - 1} elements")


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    check_rows(types[0])
    check_scales(attrs, "x_scale")
    if not math.isfinite(factor(attrs)):
        raise ValueError(f"beta is {attrs['beta']}, not a finite number")
    exponentials(factor(attrs))
    return with_mask(types[0].shape, _RESULT)


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    (x,) = args
    below = x.max(axis=-1, keepdims=True).astype(np.int64 if x.dtype.kind == "i" else x.dtype) - x
    if x.dtype.kind == "f":
        e = np.exp(-factor(attrs) * below)
        return [e / e.sum(axis=-1, keepdims=True) * ONE + LOWEST]
    e = exponentials(factor(attrs))[below]
    y, bits = reciprocal(sum_of(e))
    # 31 bits behind the point, of which the results have 8.
    return [clamped(divide_by_power_of_two(high_product(y, e), bits + 31 - 8), _RESULT)[0].astype(np.int8)]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("qsoftmax_input_grad", grads[0], node.outputs[0], factor=factor(node.attrs))]


def infer_rows_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    """Of a gradient that reads the result."""
    found = types_of(types, attrs, 1)
    (y,) = found.own
    check_rows(y)
    if found.g.dtype not in (DType.F32, *LIMITS) or found.g.shape != y.shape:
        raise ValueError(f"gradient {found.g} is not f32, i8 or i16 of shape {list(y.shape)}")
    return infer_result(found, y.shape, attrs)


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    """acc = p (g - sum of g p), p in units of 1/256: exact in integers, in the order of the index in floats."""
    found = arrays_of(args, attrs, 1)
    (y,), g = found.own, found.g
    if found.unit is None:
        p = y.astype(g.dtype) - g.dtype.type(LOWEST)
        acc = p * (g - ordered_sum(g * p, -1)[..., None] * g.dtype.type(1 / ONE))
    else:
        q, p = g.astype(np.int64), y.astype(np.int64) - LOWEST
        acc = (p * (q * ONE - (q * p).sum(axis=-1, keepdims=True))).astype(np.float32) * np.float32(1 / ONE)
    return finish(acc, found, attrs)


_STATE = integers(0.01, (3.0, 0.5))
_STEEP = {"x_scale": 0.2, "beta": 1.7}

QSOFTMAX = OpDef(
    name="qsoftmax",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    may_overwrite={0: (0,)},
    examples=[
        Example([q8(3, 5)], {"x_scale": 0.01}, integers()),
        Example([q8(2, 3, 300)], {"x_scale": 0.05}, integers()),
        Example([q8(2, 3, 4, 17)], _STEEP, integers(), ()),
        Example([q8(7)], {"x_scale": 3.0}, integers(), ()),
        Example([q8(2, 1)], {"x_scale": 0.05}, integers(), ()),
    ],
)

QSOFTMAX_INPUT_GRAD = OpDef(
    name="qsoftmax_input_grad",
    infer=infer_rows_grad,
    evaluate=_evaluate_grad,
    epilogue=lambda attrs: 1,
    writes={1: -1},
    examples=[
        Example([f32(3, 25), i8(3, 25)], {"factor": 0.1}, integers(), ()),
        Example([f32(2, 3, 9), i8(2, 3, 9), f32(2)], I8 | {"factor": 0.1}, integers(), ()),
        Example([i8(3, 300), f32(2), i8(3, 300), f32(2)], I8, _STATE, ()),
        Example([i16(300), f32(2), i8(300), f32(2)], I16, _STATE, ()),
        Example([i8(2, 11), f32(2), i8(2, 11)], {"factor": 0.3}, _STATE, ()),
        Example([i8(2, 19), f32(2), i8(2, 19), b1(2, 19), f32(19), i8(2, 19), f32(2), f32(2)], I8 | ALL, _STATE, ()),
    ],
)

OPS = (QSOFTMAX, QSOFTMAX_INPUT_GRAD)

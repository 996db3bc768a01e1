"""qlog_softmax(x): log_softmax along the last axis in integers, as TFLite's reference kernel; its gradient.

The result has scale 1/16 and zero point 127, as TFLite asks for.
"""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import check_count
from gradlet.ir.exact_math import ordered_sum
from gradlet.ir.fixed_point import differences, exponentials, logarithm, sum_of
from gradlet.ir.gradient_epilogue import arrays_of, finish
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.ops.qsoftmax import check_rows, infer_rows_grad
from gradlet.ir.ops.rescale_gradient import ALL, I8, I16
from gradlet.ir.ops.softmax import log_softmax
from gradlet.ir.quantized_samples import i8, i16, integers, q8
from gradlet.ir.requantize import HIGHEST, LOWEST, check_scales, clamped, divide_by_power_of_two, with_mask
from gradlet.ir.tensor_type import TensorType, b1, f32

# What 1 is as a result, and bits behind the point before and after.
ONE = 16
_RESULT = {"y_scale": 1 / ONE, "y_zero": HIGHEST}
BITS = 26 - 4


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    check_rows(types[0])
    check_scales(attrs, "x_scale")
    exponentials(attrs["x_scale"])
    return with_mask(types[0].shape, _RESULT)


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    (x,) = args
    if x.dtype.kind == "f":
        return [clamped(log_softmax(x * attrs["x_scale"], -1) * ONE, _RESULT)[0]]
    below = x.max(axis=-1, keepdims=True).astype(np.int64) - x
    sums = logarithm(sum_of(exponentials(attrs["x_scale"])[below]))
    r = divide_by_power_of_two(differences(attrs["x_scale"])[below] - sums, np.array(BITS))
    return [clamped(r, _RESULT)[0].astype(np.int8)]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("qlog_softmax_input_grad", grads[0], node.outputs[0], factor=ONE * node.attrs["x_scale"])]


def shares() -> np.ndarray:
    """f32[256]: what softmax is where log_softmax is -128 to 127."""
    return np.exp((np.arange(LOWEST, HIGHEST + 1) - HIGHEST) / ONE).astype(np.float32)


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    """acc = g - p * sum of g, without those that are clamped; the sum is exact, or in the order of the index."""
    found = arrays_of(args, attrs, 1)
    (y,), g = found.own, found.g
    p = np.exp((y - HIGHEST) / ONE) if y.dtype.kind == "f" else shares()[y.astype(np.int64) - LOWEST]
    if found.unit is None:
        g = np.where(y > LOWEST, g, g.dtype.type(0))
        acc = g - p.astype(g.dtype) * ordered_sum(g, -1)[..., None]
    else:
        g = np.where(y > LOWEST, g.astype(np.int64), 0)
        acc = g.astype(np.float32) - p * g.sum(axis=-1, keepdims=True).astype(np.float32)
    return finish(acc, found, attrs)


_STATE = integers(0.01, (3.0, 0.5))

QLOG_SOFTMAX = OpDef(
    name="qlog_softmax",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    may_overwrite={0: (0,)},
    examples=[
        Example([q8(3, 5)], {"x_scale": 0.01}, integers()),
        Example([q8(2, 3, 300)], {"x_scale": 0.05}, integers()),
        Example([q8(2, 3, 4, 17)], {"x_scale": 0.31}, integers(), ()),
        Example([q8(7)], {"x_scale": 3.0}, integers(), ()),
        Example([q8(2, 1)], {"x_scale": 0.05}, integers(), ()),
    ],
)

QLOG_SOFTMAX_INPUT_GRAD = OpDef(
    name="qlog_softmax_input_grad",
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

OPS = (QLOG_SOFTMAX, QLOG_SOFTMAX_INPUT_GRAD)

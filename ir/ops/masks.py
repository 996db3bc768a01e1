"""What a backward keeps of a clamped activation: `inside`, one bit an element, and `masked`, which applies it."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import away_from, check_count, check_float, slices
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.ops.clip import check_bounds
from gradlet.ir.tensor_type import DType, TensorType, b1, f32


def _infer_inside(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    check_float(*types)
    check_bounds(attrs)
    return [TensorType(DType.B1, types[0].shape)]


INSIDE = OpDef(
    name="inside",
    infer=_infer_inside,
    evaluate=lambda args, attrs: [(args[0] > attrs["lo"]) & (args[0] < attrs["hi"])],
    slices=slices,
    examples=[
        Example([f32(3, 7)], {"lo": 0.0, "hi": float("inf")}, differentiable=()),
        Example([f32(2, 8)], {"lo": -0.5, "hi": 0.75}, away_from(-0.5, 0.75), differentiable=()),
        Example([f32()], {"lo": 0.0, "hi": 6.0}, differentiable=()),
    ],
)


def _infer_masked(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    g, m = types
    check_float(g)
    if m != TensorType(DType.B1, g.shape):
        raise ValueError(f"{m} is no mask of {g}")
    return [g]


def _evaluate_masked(args: Arrays, attrs: Attrs) -> Results:
    g, m = args
    return [np.where(m, g * float(attrs.get("scale", 1.0)), 0)]


def _gradient_masked(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("masked", grads[0], node.inputs[1], **node.attrs), None]


MASKED = OpDef(
    name="masked",
    infer=_infer_masked,
    evaluate=_evaluate_masked,
    gradient=_gradient_masked,
    may_overwrite={0: (0,)},
    slices=slices,
    examples=[
        Example([f32(3, 7), b1(3, 7)]),
        Example([f32(2, 8), b1(2, 8)], {"scale": 1.25}),
        Example([f32(), b1()]),
    ],
)

OPS = (INSIDE, MASKED)

"""clip(x; lo, hi) = min(max(x, lo), hi), ReLU6 among others, and its gradient."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import away_from, floats_of_one_shape, slices
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.tensor_type import TensorType, f32


def check_bounds(attrs: Attrs) -> None:
    if not attrs["lo"] < attrs["hi"]:
        raise ValueError(f"lo={attrs['lo']} is not below hi={attrs['hi']}")


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_bounds(attrs)
    return floats_of_one_shape(1)(types, attrs)


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("clip_grad", grads[0], node.outputs[0], lo=node.attrs["lo"], hi=node.attrs["hi"])]


CLIP = OpDef(
    name="clip",
    infer=_infer,
    evaluate=lambda args, attrs: [np.clip(args[0], float(attrs["lo"]), float(attrs["hi"]))],
    gradient=_gradient,
    may_overwrite={0: (0,)},
    slices=slices,
    examples=[
        Example([f32(4, 5)], {"lo": -0.5, "hi": 0.75}, sample=away_from(-0.5, 0.75)),
        Example([f32(7)], {"lo": 0.0, "hi": 6.0}, sample=away_from(0)),
        Example([f32(7)], {"lo": 0.25, "hi": float("inf")}, sample=away_from(0.25)),
    ],
)


def _infer_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_bounds(attrs)
    return floats_of_one_shape(2)(types, attrs)


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    g, y = args
    return [np.where((y > attrs["lo"]) & (y < attrs["hi"]), g, 0)]


# Takes the *output* of clip: strictly inside the bounds is where it grew with its input.
CLIP_GRAD = OpDef(
    name="clip_grad",
    infer=_infer_grad,
    evaluate=_evaluate_grad,
    may_overwrite={0: (0, 1)},
    slices=slices,
    examples=[
        Example([f32(4, 5), f32(4, 5)], {"lo": -0.5, "hi": 0.75}),
        Example([f32(7), f32(7)], {"lo": 0.0, "hi": float("inf")}),
    ],
)

OPS = (CLIP, CLIP_GRAD)

"""relu(x) = max(x, 0), and its gradient."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import away_from, floats_of_one_shape, slices
from gradlet.ir.graph import Node, Value
from gradlet.ir.op_def import Emit, Example, OpDef
from gradlet.ir.tensor_type import f32


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("relu_grad", grads[0], node.outputs[0])]


RELU = OpDef(
    name="relu",
    infer=floats_of_one_shape(1),
    evaluate=lambda args, attrs: [np.maximum(args[0], 0)],
    gradient=_gradient,
    may_overwrite={0: (0,)},
    slices=slices,
    examples=[Example([f32(2, 3)], sample=away_from(0)), Example([f32()], sample=away_from(0))],
)

# Takes the *output* of relu: keeping it needs no memory that the next layer does not keep anyway.
RELU_GRAD = OpDef(
    name="relu_grad",
    infer=floats_of_one_shape(2),
    evaluate=lambda args, attrs: [np.where(args[1] > 0, args[0], 0)],
    may_overwrite={0: (0, 1)},
    slices=slices,
    examples=[Example([f32(2, 3), f32(2, 3)])],
)

OPS = (RELU, RELU_GRAD)

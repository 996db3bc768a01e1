"""abs(x), and its gradient."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import away_from, floats_of_one_shape, slices
from gradlet.ir.graph import Node, Value
from gradlet.ir.op_def import Emit, Example, OpDef
from gradlet.ir.tensor_type import f32


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("abs_grad", grads[0], node.inputs[0])]


ABS = OpDef(
    name="abs",
    infer=floats_of_one_shape(1),
    evaluate=lambda args, attrs: [np.abs(args[0])],
    gradient=_gradient,
    may_overwrite={0: (0,)},
    slices=slices,
    examples=[Example([f32(4, 6)], sample=away_from(0)), Example([f32()], sample=away_from(0))],
)

# Zero at 0.
ABS_GRAD = OpDef(
    name="abs_grad",
    infer=floats_of_one_shape(2),
    evaluate=lambda args, attrs: [args[0] * np.sign(args[1])],
    may_overwrite={0: (0, 1)},
    slices=slices,
    examples=[Example([f32(4, 6), f32(4, 6)])],
)

OPS = (ABS, ABS_GRAD)

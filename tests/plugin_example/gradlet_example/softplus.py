"""softplus(x) = log(1 + exp(x)), and its gradient."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import floats_of_one_shape, slices
from gradlet.ir.graph import Node, Value
from gradlet.ir.op_def import Emit, Example, OpDef
from gradlet.ir.tensor_type import f32


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("softplus_grad", grads[0], node.inputs[0])]


SOFTPLUS = OpDef(
    name="softplus",
    infer=floats_of_one_shape(1),
    evaluate=lambda args, attrs: [np.logaddexp(args[0], 0).astype(args[0].dtype)],
    gradient=_gradient,
    may_overwrite={0: (0,)},
    slices=slices,
    examples=[Example([f32(2, 3)]), Example([f32()])],
)

SOFTPLUS_GRAD = OpDef(
    name="softplus_grad",
    infer=floats_of_one_shape(2),
    evaluate=lambda args, attrs: [args[0] / (1 + np.exp(-args[1]))],
    may_overwrite={0: (0, 1)},
    slices=slices,
    examples=[Example([f32(2, 3), f32(2, 3)])],
)

OPS = (SOFTPLUS, SOFTPLUS_GRAD)

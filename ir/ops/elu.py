"""elu(x; alpha) = x where it is above 0, else alpha (exp(x) - 1), and its gradient."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import away_from, floats_of_one_shape, slices
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.tensor_type import f32


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    (x,) = args
    return [np.where(x > 0, x, np.expm1(np.minimum(x, 0)) * float(attrs["alpha"]))]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("elu_grad", grads[0], node.inputs[0], alpha=node.attrs["alpha"])]


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    g, x = args
    return [np.where(x > 0, g, g * np.exp(np.minimum(x, 0)) * float(attrs["alpha"]))]


ELU = OpDef(
    name="elu",
    infer=floats_of_one_shape(1),
    evaluate=_evaluate,
    gradient=_gradient,
    may_overwrite={0: (0,)},
    slices=slices,
    examples=[
        Example([f32(4, 6)], {"alpha": 1.0}),
        Example([f32()], {"alpha": 0.5}, away_from(0)),
    ],
)

# Takes the *input*: alpha may be below 0, so that the output does not tell the sign.
ELU_GRAD = OpDef(
    name="elu_grad",
    infer=floats_of_one_shape(2),
    evaluate=_evaluate_grad,
    may_overwrite={0: (0, 1)},
    slices=slices,
    examples=[Example([f32(4, 6), f32(4, 6)], {"alpha": 0.5})],
)

OPS = (ELU, ELU_GRAD)

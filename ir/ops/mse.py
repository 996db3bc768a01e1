"""mse(x, target) = mean((x - target)²), and its gradient."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import floats_of_one_shape
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.tensor_type import TensorType, f32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    return [floats_of_one_shape(2)(types, attrs)[0].with_shape()]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    (x, target), g = node.inputs, grads[0]
    assert g is not None
    return [emit.scaled(emit("mse_grad", x, target), g), emit.scaled(emit("mse_grad", target, x), g)]


MSE = OpDef(
    name="mse",
    infer=_infer,
    evaluate=lambda args, attrs: [np.mean(np.square(args[0] - args[1]))],
    gradient=_gradient,
    examples=[
        Example([f32(4, 3), f32(4, 3)], differentiable=(0, 1)),
        Example([f32(2, 2, 3, 1), f32(2, 2, 3, 1)], differentiable=(0, 1)),
    ],
)


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    x, target = args
    return [(x - target) * (2 / x.size)]


MSE_GRAD = OpDef(
    name="mse_grad",
    infer=floats_of_one_shape(2),
    evaluate=_evaluate_grad,
    may_overwrite={0: (0, 1)},
    examples=[Example([f32(4, 3), f32(4, 3)])],
)

OPS = (MSE, MSE_GRAD)

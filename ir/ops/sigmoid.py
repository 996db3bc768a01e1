"""sigmoid(x) = 1 / (1 + exp(-x)), and its gradient."""

from collections.abc import Sequence

from gradlet.ir.elementwise import floats_of_one_shape, sigmoid, slices
from gradlet.ir.graph import Node, Value
from gradlet.ir.op_def import Emit, Example, OpDef
from gradlet.ir.tensor_type import f32


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("sigmoid_grad", grads[0], node.outputs[0])]


SIGMOID = OpDef(
    name="sigmoid",
    infer=floats_of_one_shape(1),
    evaluate=lambda args, attrs: [sigmoid(args[0])],
    gradient=_gradient,
    may_overwrite={0: (0,)},
    slices=slices,
    examples=[Example([f32(2, 3)]), Example([f32()])],
)

# Takes the *output*: the derivative is y (1 - y).
SIGMOID_GRAD = OpDef(
    name="sigmoid_grad",
    infer=floats_of_one_shape(2),
    evaluate=lambda args, attrs: [args[0] * args[1] * (1 - args[1])],
    may_overwrite={0: (0, 1)},
    slices=slices,
    examples=[Example([f32(2, 3), f32(2, 3)])],
)

OPS = (SIGMOID, SIGMOID_GRAD)

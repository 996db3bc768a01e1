"""silu(x) = x sigmoid(x), and its gradient."""

from collections.abc import Sequence

from gradlet.ir.elementwise import floats_of_one_shape, sigmoid, slices
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.tensor_type import f32


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("silu_grad", grads[0], node.inputs[0])]


SILU = OpDef(
    name="silu",
    infer=floats_of_one_shape(1),
    evaluate=lambda args, attrs: [args[0] * sigmoid(args[0])],
    gradient=_gradient,
    may_overwrite={0: (0,)},
    slices=slices,
    examples=[Example([f32(2, 3)]), Example([f32()])],
)


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    g, x = args
    s = sigmoid(x)
    return [g * s * (1 + x * (1 - s))]


# Takes the *input*: silu falls before it grows, so that its output does not tell where on the curve it is.
SILU_GRAD = OpDef(
    name="silu_grad",
    infer=floats_of_one_shape(2),
    evaluate=_evaluate_grad,
    may_overwrite={0: (0, 1)},
    slices=slices,
    examples=[Example([f32(2, 3), f32(2, 3)])],
)

OPS = (SILU, SILU_GRAD)

"""bias_add(x, b) = x + b along the last axis."""

from collections.abc import Sequence

from gradlet.ir.bias import bias_gradient
from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Emit, Example, OpDef
from gradlet.ir.tensor_type import TensorType, f32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    x, bias = types
    if not x.shape or bias.shape != x.shape[-1:]:
        raise ValueError(f"bias {bias} does not match the last axis of {x}")
    return [x]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    (g,) = grads
    assert g is not None
    return [g, bias_gradient(emit, g)]


BIAS_ADD = OpDef(
    name="bias_add",
    infer=_infer,
    evaluate=lambda args, attrs: [args[0] + args[1]],
    gradient=_gradient,
    may_overwrite={0: (0,)},
    examples=[
        Example([f32(2, 3), f32(3)], differentiable=(0, 1)),
        Example([f32(2, 4, 3, 5), f32(5)], differentiable=(0, 1)),
        Example([f32(3), f32(3)], differentiable=(0, 1)),
    ],
)

OPS = (BIAS_ADD,)

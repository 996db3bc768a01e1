"""relu(x) = max(x, 0), and its gradient."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Emit, Example, OpDef
from gradlet.ir.tensor_type import TensorType, f32


def _same(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    if any(t.shape != types[0].shape for t in types):
        raise ValueError(f"{' and '.join(map(str, types))} differ in shape")
    return [types[0]]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("relu_grad", grads[0], node.outputs[0])]


RELU = OpDef(
    name="relu",
    infer=_same,
    evaluate=lambda args, attrs: [np.maximum(args[0], 0)],
    gradient=_gradient,
    may_overwrite={0: (0,)},
    examples=[Example([f32(2, 3)]), Example([f32()])],
)

# Takes the *output* of relu: keeping it needs no memory that the next layer does not keep anyway.
RELU_GRAD = OpDef(
    name="relu_grad",
    infer=_same,
    evaluate=lambda args, attrs: [args[0] * (args[1] > 0)],
    may_overwrite={0: (0, 1)},
    examples=[Example([f32(2, 3), f32(2, 3)])],
)

OPS = (RELU, RELU_GRAD)

"""broadcast_to(x; shape): numpy's broadcasting, written out."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.broadcasting import broadcast_shape, sum_to
from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Emit, Example, OpDef
from gradlet.ir.quantized_samples import integers, q8, q16
from gradlet.ir.tensor_type import DType, TensorType, f32, i32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    y = types[0].with_shape(*attrs["shape"])
    if types[0].dtype is DType.B1:
        raise ValueError(f"{types[0]} is a mask, which cannot be repeated")
    if broadcast_shape([types[0], y]) != y.shape:
        raise ValueError(f"{types[0]} cannot be repeated to {y}")
    return [y]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [sum_to(emit, grads[0], node.inputs[0].type.shape) if grads[0].type.dtype.is_float else None]


BROADCAST_TO = OpDef(
    name="broadcast_to",
    infer=_infer,
    evaluate=lambda args, attrs: [np.broadcast_to(args[0], attrs["shape"])],
    gradient=_gradient,
    examples=[
        Example([f32(3)], {"shape": (4, 3)}),
        Example([f32(2, 1, 1, 3)], {"shape": (2, 4, 5, 3)}),
        Example([f32(2, 1)], {"shape": (2, 5)}),
        Example([f32()], {"shape": (2, 3)}),
        Example([f32(2, 3)], {"shape": (2, 3)}),
        Example([q8(3, 1)], {"shape": (2, 3, 5)}, integers()),
        Example([q16(3, 1)], {"shape": (2, 3, 5)}, integers()),
        Example([i32(1)], {"shape": (3,)}, differentiable=()),
    ],
)

OPS = (BROADCAST_TO,)

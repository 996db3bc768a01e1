"""concat(*xs; axis): tensors one after the other along an axis."""

from collections.abc import Mapping, Sequence

import numpy as np

from gradlet.ir.axes import axis_of, replaced
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Emit, Example, OpDef
from gradlet.ir.quantized_samples import integers, q8, q16
from gradlet.ir.tensor_type import TensorType, b1, f32, i32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    if not types:
        raise ValueError("wants at least one operand")
    first = types[0]
    axis = axis_of(attrs, len(first.shape))
    rest = {(t.dtype, t.quant, replaced(t.shape, axis, 0)) for t in types}
    if len(rest) > 1 or any(len(t.shape) != len(first.shape) for t in types):
        raise ValueError(f"{' and '.join(map(str, types))} differ in more than axis {axis}")
    return [first.with_shape(*replaced(first.shape, axis, sum(t.shape[axis] for t in types)))]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    g, begin, slices = grads[0], 0, []
    assert g is not None
    axis = axis_of(node.attrs, len(g.type.shape))
    for value in node.inputs:
        end = begin + value.type.shape[axis]
        slices.append(emit("slice", g, axis=axis, begin=begin, end=end))
        begin = end
    return list(slices)


def _slices(node: Node) -> Mapping[int, Sequence[tuple[int, int]]]:
    rank = len(node.outputs[0].type.shape)
    joined = axis_of(node.attrs, rank)
    return {a: [(i, a) for i in range(len(node.inputs))] for a in range(rank) if a != joined}


CONCAT = OpDef(
    name="concat",
    infer=_infer,
    evaluate=lambda args, attrs: [np.concatenate(args, axis=attrs["axis"])],
    gradient=_gradient,
    slices=_slices,
    examples=[
        Example([f32(2, 3), f32(4, 3)], {"axis": 0}, differentiable=(0, 1)),
        Example([f32(2, 2, 1, 3), f32(2, 2, 1, 1), f32(2, 2, 1, 4)], {"axis": -1}, differentiable=(0, 1, 2)),
        Example([f32(2, 1, 3), f32(2, 2, 3)], {"axis": 1}, differentiable=(0, 1)),
        Example([f32(5)], {"axis": 0}),
        Example([q8(2, 3), q8(2, 5)], {"axis": 1}, integers(), (0, 1)),
        Example([q16(2, 3), q16(2, 5)], {"axis": 1}, integers(), (0, 1)),
        Example([i32(2), i32(3)], {"axis": 0}, differentiable=()),
        Example([b1(2, 3), b1(2, 6)], {"axis": 1}, differentiable=()),
    ],
)

OPS = (CONCAT,)

"""argmax(x; axis): the index of the largest element along an axis, the first of several; int32."""

from collections.abc import Mapping, Sequence

import numpy as np

from gradlet.ir.axes import axis_of
from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node
from gradlet.ir.op_def import Example, OpDef
from gradlet.ir.quantized_samples import integers, q8, q16
from gradlet.ir.tensor_type import DType, TensorType, f32, i32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    (x,) = types
    if x.dtype not in (DType.F32, DType.I8, DType.I16, DType.I32):
        raise ValueError(f"{x} is not f32, i8, i16 or i32")
    axis = axis_of(attrs, len(x.shape))
    return [i32(*x.shape[:axis], *x.shape[axis + 1 :])]


def _slices(node: Node) -> Mapping[int, Sequence[tuple[int, int]]]:
    rank = len(node.inputs[0].type.shape)
    axis = axis_of(node.attrs, rank)
    return {a if a < axis else a - 1: [(0, a)] for a in range(rank) if a != axis}


def _tied(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.integers(-2, 3, t.shape).astype(t.dtype.numpy) for t in types]


ARGMAX = OpDef(
    name="argmax",
    infer=_infer,
    evaluate=lambda args, attrs: [args[0].argmax(attrs["axis"]).astype(np.int32)],
    slices=_slices,
    examples=[
        Example([f32(3, 10)], {"axis": -1}, differentiable=()),
        Example([f32(2, 4, 3)], {"axis": 1}, _tied, ()),
        Example([f32(5)], {"axis": 0}, differentiable=()),
        Example([q8(4, 7)], {"axis": 1}, integers(), ()),
        Example([q16(4, 7)], {"axis": 1}, integers(), ()),
        Example([i32(6, 5)], {"axis": 0}, _tied, ()),
    ],
)

OPS = (ARGMAX,)

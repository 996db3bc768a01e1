"""gather(x, indices; axis): numpy's take: indices of one axis of x, in the order of `indices`.

Negative ones count from the end; what then is still outside of the axis stands for its nearest end.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from gradlet.ir.axes import axis_of
from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.quantized_samples import i8, q8, q16
from gradlet.ir.tensor_type import DType, TensorType, f32, i32


def _check_indices(indices: TensorType) -> None:
    if indices.dtype is not DType.I32:
        raise ValueError(f"indices {indices} are not i32")


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    x, indices = types
    _check_indices(indices)
    if x.dtype is DType.B1:
        raise ValueError(f"{x} is a mask, which has no elements of whole bytes")
    axis = axis_of(attrs, len(x.shape))
    return [x.with_shape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])]


def inside(indices: np.ndarray, size: int) -> np.ndarray:
    return np.where(indices < 0, indices + size, indices).clip(0, size - 1)


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    x, indices = args
    axis = axis_of(attrs, x.ndim)
    return [x.take(inside(indices, x.shape[axis]), axis)]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    g, (x, indices) = grads[0], node.inputs
    assert g is not None
    axis = axis_of(node.attrs, len(x.type.shape))
    return [emit("gather_grad", g, indices, axis=axis, size=x.type.shape[axis]), None]


def _slices(node: Node) -> Mapping[int, Sequence[tuple[int, int]]]:
    x, indices = (value.type.shape for value in node.inputs)
    axis, more = axis_of(node.attrs, len(x)), len(indices) - 1
    return {
        **{a if a < axis else a + more: [(0, a)] for a in range(len(x)) if a != axis},
        **{axis + k: [(1, k)] for k in range(len(indices))},
    }


def _infer_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    g, indices = types
    _check_indices(indices)
    axis, rank = attrs["axis"], len(indices.shape)
    if g.dtype is not DType.F32 or axis < 0 or g.shape[axis : axis + rank] != indices.shape or attrs["size"] < 1:
        raise ValueError(f"{g} is no gradient of what {indices} take from axis {axis} of {attrs['size']}")
    return [g.with_shape(*g.shape[:axis], attrs["size"], *g.shape[axis + rank :])]


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    """Sums, in the order of the indices, what each index of the axis has passed on."""
    (g, indices), axis, size = args, attrs["axis"], attrs["size"]
    after = g.shape[axis + indices.ndim :]
    sums = np.zeros((*g.shape[:axis], size, *after), g.dtype)
    columns = g.reshape(*g.shape[:axis], indices.size, *after)
    np.add.at(np.moveaxis(sums, axis, 0), inside(indices.ravel(), size), np.moveaxis(columns, axis, 0))
    return [sums]


def _indices(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Some of them negative, and some outside of every axis, at both ends."""
    drawn = [rng.integers(-128 if t.dtype is DType.I8 else -12, 12, t.shape).astype(t.dtype.numpy) for t in types]
    return [
        rng.normal(size=t.shape).astype(np.float32) if t.dtype is DType.F32 else a
        for t, a in zip(types, drawn, strict=True)
    ]


GATHER = OpDef(
    name="gather",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    slices=_slices,
    examples=[
        Example([f32(7, 3), i32(2, 5)], {"axis": 0}, _indices),
        Example([f32(2, 4, 3), i32(6)], {"axis": -2}, _indices),
        Example([f32(2, 9), i32()], {"axis": 1}, _indices),
        Example([q8(5, 3), i32(4)], {"axis": 0}, _indices),
        Example([q16(5, 3), i32(4)], {"axis": 0}, _indices),
        Example([i8(2, 5), i32(3)], {"axis": 1}, _indices, ()),
        Example([i32(8), i32(3, 2)], {"axis": 0}, _indices, ()),
    ],
)

GATHER_GRAD = OpDef(
    name="gather_grad",
    infer=_infer_grad,
    evaluate=_evaluate_grad,
    examples=[
        Example([f32(2, 5, 3), i32(2, 5)], {"axis": 0, "size": 7}, _indices, ()),
        Example([f32(2, 6, 3), i32(6)], {"axis": 1, "size": 4}, _indices, ()),
        Example([f32(4), i32()], {"axis": 1, "size": 3}, _indices, ()),
    ],
)

OPS = (GATHER, GATHER_GRAD)

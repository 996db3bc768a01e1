"""split(x; axis, sizes): consecutive parts of one axis."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.axes import axis_of, replaced
from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.quantized_samples import integers, q8, q16
from gradlet.ir.tensor_type import TensorType, f32, i32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    (x,) = types
    axis, sizes = axis_of(attrs, len(x.shape)), attrs["sizes"]
    if sum(sizes) != x.shape[axis] or min(sizes) < 1:
        raise ValueError(f"sizes {sizes} do not add up to the {x.shape[axis]} of axis {axis} of {x}")
    return [x.with_shape(*replaced(x.shape, axis, size)) for size in sizes]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    return np.split(args[0], np.cumsum(attrs["sizes"])[:-1], axis=attrs["axis"])


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    dtype = next(g.type.dtype.value for g in grads if g)
    parts = [
        emit("full", shape=y.type.shape, value=0.0, dtype=dtype) if g is None else g
        for g, y in zip(grads, node.outputs, strict=True)
    ]
    return [emit("concat", *parts, axis=node.attrs["axis"])]


SPLIT = OpDef(
    name="split",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    examples=[
        Example([f32(5, 3)], {"axis": 0, "sizes": (2, 3)}),
        Example([f32(2, 3, 6)], {"axis": -1, "sizes": (1, 3, 2)}),
        Example([f32(2, 4, 3)], {"axis": 1, "sizes": (4,)}),
        Example([q8(2, 6, 3)], {"axis": 1, "sizes": (1, 3, 2)}, integers()),
        Example([q16(2, 6, 3)], {"axis": 1, "sizes": (1, 3, 2)}, integers()),
        Example([i32(4)], {"axis": 0, "sizes": (1, 3)}, differentiable=()),
    ],
)

OPS = (SPLIT,)

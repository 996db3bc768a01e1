"""cast(x; dtype): the nearest value of another element type."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import check_count, slices
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.tensor_type import DType, TensorType, b1, f32, i32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    return [TensorType(DType(attrs["dtype"]), types[0].shape)]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    """Floats lose their fraction and saturate, NaN becomes 0; integers keep their low bits; a mask is x != 0."""
    (x,) = args
    to = DType(attrs["dtype"])
    if to is DType.F32 and x.dtype == np.float64:
        return [x]  # float64 stands for float32 where gradients are checked
    if x.dtype.kind != "f" or to.is_float or to is DType.B1:
        return [x.astype(to.numpy)]
    limits = np.iinfo(to.value)
    # The largest float of its type that is no larger than the limit: i32's 2³¹ - 1 itself rounds up in float32.
    high = np.asarray(limits.max, x.dtype)
    high = high if int(high) <= limits.max else np.nextafter(high, np.asarray(0, x.dtype))
    whole = np.where(np.isnan(x), 0, x)
    return [np.where(whole > high, limits.max, np.clip(whole, limits.min, high).astype(to.numpy)).astype(to.numpy)]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    g, x = grads[0], node.inputs[0].type.dtype
    assert g is not None
    if not (x.is_float and g.type.dtype.is_float):
        return [None]
    return [g if x is g.type.dtype else emit("cast", g, dtype=x.value)]


def _wide(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Values beyond the limits of small integers, halves, and the special ones of floats."""
    drawn = rng.integers(-600, 600, size=types[0].shape) / (2 if types[0].dtype.is_float else 1)
    if types[0].dtype.is_float:
        drawn.flat[:4] = 3e9, -3e9, np.nan, np.inf
    return [drawn.astype(types[0].dtype.numpy)]


CAST = OpDef(
    name="cast",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    slices=slices,
    examples=[
        Example([f32(2, 3)], {"dtype": "float32"}),
        *(Example([f32(3, 7)], {"dtype": t}, _wide, ()) for t in ("int8", "uint8", "int16", "int32", "b1")),
        *(Example([i32(3, 7)], {"dtype": t}, _wide, ()) for t in ("float32", "int8", "uint8", "int16", "b1")),
        Example([b1(3, 7)], {"dtype": "float32"}, differentiable=()),
        Example([b1(3, 7)], {"dtype": "int32"}, differentiable=()),
        Example([TensorType(DType.I8, (9,))], {"dtype": "float32"}, _wide, ()),
        Example([TensorType(DType.I8, (9,))], {"dtype": "int32"}, _wide, ()),
        Example([TensorType(DType.U8, (9,))], {"dtype": "int32"}, _wide, ()),
        Example([TensorType(DType.U8, (9,))], {"dtype": "float32"}, _wide, ()),
        Example([TensorType(DType.I16, (9,))], {"dtype": "int8"}, _wide, ()),
    ],
)

OPS = (CAST,)

"""pow(a, b) = a ** b, element by element with numpy's broadcasting; NaN where that is no real number."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.broadcasting import broadcast_shape, slices, sum_to
from gradlet.ir.elementwise import check_count, check_float, positive
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.tensor_type import TensorType, f32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    check_float(*types)
    if types[0].dtype is not types[1].dtype:
        raise ValueError(f"{types[0]} and {types[1]} are not numbers of one type")
    return [types[0].with_shape(*broadcast_shape(types))]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return [np.power(args[0], args[1])]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    (g,), (a, b), y = grads, node.inputs, node.outputs[0]
    assert g is not None
    below = emit("sub", b, emit("full", shape=(), value=1.0))
    da = emit("mul", g, emit("mul", b, emit("pow", a, below)))
    db = emit("mul", g, emit("mul", y, emit("log", a)))
    return [sum_to(emit, da, a.type.shape), sum_to(emit, db, b.type.shape)]


def _whole(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Numbers of both signs, and whole exponents."""
    a, b = (rng.normal(size=t.shape) for t in types)
    return [a.astype(np.float32), np.rint(2 * b).astype(np.float32)]


def _edges(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    return [np.array(numbers, np.float32) for numbers in ([0, 0, 0, -2], [2, 0, 0.5, 0.5])]


POW = OpDef(
    name="pow",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    may_overwrite={0: (0, 1)},
    slices=slices,
    examples=[
        Example([f32(2, 3, 4), f32(2, 3, 4)], sample=positive, differentiable=(0, 1)),
        Example([f32(2, 3, 4), f32(4)], sample=positive, differentiable=(0, 1)),
        Example([f32(3, 1), f32()], sample=positive, differentiable=(0, 1)),
        Example([f32(2, 9), f32(2, 9)], sample=_whole, differentiable=(0,)),
        Example([f32(4), f32(4)], {}, _edges, ()),
    ],
)

OPS = (POW,)

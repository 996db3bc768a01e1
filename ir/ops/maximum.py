"""maximum(a, b) and minimum(a, b), element by element with numpy's broadcasting, and their gradient."""

from collections.abc import Callable, Sequence

import numpy as np

from gradlet.ir.broadcasting import broadcast_shape, slices, sum_to
from gradlet.ir.elementwise import check_count, check_float
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.quantized_samples import i8, i16, integers, q8, q16
from gradlet.ir.requantize import DTYPES
from gradlet.ir.tensor_type import TensorType, f32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    _check_pair(*types)
    return [TensorType(types[0].dtype, broadcast_shape(types), types[0].quant)]


def _check_pair(a: TensorType, b: TensorType) -> None:
    if a.dtype is not b.dtype or a.quant != b.quant or not (a.dtype.is_float or a.dtype in DTYPES.values()):
        raise ValueError(f"{a} and {b} are not floats, or int8 or int16 of one scale")


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    (g,), (a, b) = grads, node.inputs
    assert g is not None
    pairs = [(a, b), (b, a)] if node.op == "maximum" else [(b, a), (a, b)]
    return [sum_to(emit, emit("maximum_grad", g, *p), x.type.shape) for p, x in zip(pairs, (a, b), strict=True)]


def _infer_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 3)
    check_float(types[0])
    _check_pair(*types[1:])
    if broadcast_shape(types[1:]) != types[0].shape:
        raise ValueError(f"{types[0]} is no gradient of a maximum of {types[1]} and {types[2]}")
    return [types[0]]


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    g, a, b = args
    return [np.where(a > b, g, np.where(a == b, g * g.dtype.type(0.5), g.dtype.type(0)))]


def _equal(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    return [np.ones(t.shape, t.dtype.numpy) for t in types]


def _op(name: str, evaluate: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> OpDef:
    both = (0, 1)
    return OpDef(
        name=name,
        infer=_infer,
        evaluate=lambda args, attrs: [evaluate(args[0], args[1])],
        gradient=_gradient,
        may_overwrite={0: (0, 1)},
        slices=slices,
        examples=[
            Example([f32(2, 3, 4), f32(2, 3, 4)], differentiable=both),
            Example([f32(2, 3, 4), f32(4)], differentiable=both),
            Example([f32(3, 1), f32(2, 1, 5)], differentiable=both),
            Example([f32(), f32(3)], differentiable=both),
            Example([q8(2, 3, 5), q8(3, 1)], {}, integers(), both),
            Example([i8(2, 9), i8(2, 9)], {}, integers(), ()),
            Example([q16(2, 3, 5), q16(3, 1)], {}, integers(), both),
        ],
    )


# The share of g that goes to a, the larger operand; equal ones share it.
MAXIMUM_GRAD = OpDef(
    name="maximum_grad",
    infer=_infer_grad,
    evaluate=_evaluate_grad,
    may_overwrite={0: (0,)},
    slices=slices,
    examples=[
        Example([f32(2, 3), f32(2, 3), f32(2, 3)]),
        Example([f32(2, 4, 5), f32(4, 1), f32(2, 1, 5)]),
        Example([f32(2, 3, 40), i8(40), i8(2, 3, 40)], {}, integers()),
        Example([f32(7), i8(7), i8(1)], {}, _equal),
        Example([f32(2, 9), i16(9), i16(2, 1)], {}, integers()),
    ],
)

OPS = (_op("maximum", np.maximum), _op("minimum", np.minimum), MAXIMUM_GRAD)

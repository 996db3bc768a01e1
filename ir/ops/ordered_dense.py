"""ordered_dense(x, w, bias?): dense in floats with every sum in the order of its index, and its gradients."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import check_count, check_float
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.ops.dense import DENSE, DENSE_WEIGHT_GRAD
from gradlet.ir.ops.matmul import MATMUL
from gradlet.ir.tensor_type import TensorType, f32


def _two_axes(types: Sequence[TensorType]) -> None:
    for t in types[:2]:
        check_float(t)
        if len(t.shape) != 2:
            raise ValueError(f"{t} does not have two axes")


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2, 3)
    _two_axes(types)
    return list(DENSE.infer(types, {}))


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    x, w, *bias = args
    y = _product(x, w.T)
    return [y + bias[0] if bias else y]


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b: 0, plus the products in the order of the inner index, each product and each sum rounded."""
    total = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    for k in range(a.shape[1]):
        total = total + a[:, k, None] * b[None, k, :]
    return total


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    (x, w, *bias), (g,) = node.inputs, grads
    assert g is not None
    found: list[Value | None] = [emit("ordered_dense_input_grad", g, w), emit("ordered_dense_weight_grad", g, x)]
    return found + [emit("ordered_dense_bias_grad", g) for _ in bias]


def _infer_input_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    _two_axes(types)
    return list(MATMUL.infer(types, {}))


def _infer_weight_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    _two_axes(types)
    return list(DENSE_WEIGHT_GRAD.infer(types, {}))


def _infer_bias_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    _two_axes(types)
    return [types[0].with_shape(types[0].shape[1])]


def _evaluate_bias_grad(args: Arrays, attrs: Attrs) -> Results:
    (g,) = args
    return [_product(np.ones((1, len(g)), g.dtype), g)[0]]


ORDERED_DENSE = OpDef(
    name="ordered_dense",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    macs=DENSE.macs,
    examples=[
        Example([f32(2, 3), f32(4, 3)], differentiable=(0, 1)),
        Example([f32(1, 13), f32(10, 13), f32(10)], differentiable=(0, 1, 2)),
        Example([f32(3, 10), f32(5, 10), f32(5)], differentiable=(0, 1, 2)),
    ],
)

ORDERED_DENSE_INPUT_GRAD = OpDef(
    name="ordered_dense_input_grad",
    infer=_infer_input_grad,
    evaluate=lambda args, attrs: [_product(args[0], args[1])],
    macs=MATMUL.macs,
    examples=[
        Example([f32(1, 10), f32(10, 13)], differentiable=()),
        Example([f32(3, 5), f32(5, 6)], differentiable=()),
    ],
)

ORDERED_DENSE_WEIGHT_GRAD = OpDef(
    name="ordered_dense_weight_grad",
    infer=_infer_weight_grad,
    evaluate=lambda args, attrs: [_product(args[0].T, args[1])],
    macs=DENSE_WEIGHT_GRAD.macs,
    slices=DENSE_WEIGHT_GRAD.slices,
    examples=[
        Example([f32(1, 10), f32(1, 13)], differentiable=()),
        Example([f32(3, 5), f32(3, 6)], differentiable=()),
    ],
)

ORDERED_DENSE_BIAS_GRAD = OpDef(
    name="ordered_dense_bias_grad",
    infer=_infer_bias_grad,
    evaluate=_evaluate_bias_grad,
    slices=lambda node: {0: ((0, 1),)},
    examples=[Example([f32(1, 10)], differentiable=()), Example([f32(5, 7)], differentiable=())],
)

OPS = (ORDERED_DENSE, ORDERED_DENSE_INPUT_GRAD, ORDERED_DENSE_WEIGHT_GRAD, ORDERED_DENSE_BIAS_GRAD)

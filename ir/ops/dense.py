"""dense(x, w, bias?) = x wᵀ + bias over the last axis, with an activation, and its weight gradient."""

import math
from collections.abc import Mapping, Sequence

from gradlet.ir.activations import activate, activation_gradient, check_activation
from gradlet.ir.bias import bias_gradient, check_bias
from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.tensor_type import TensorType, f32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2, 3)
    x, w, *bias = types
    if len(x.shape) < 2 or len(w.shape) != 2:
        raise ValueError(f"x {x} needs two axes or more, weights {w} exactly two")
    if x.shape[-1] != w.shape[1]:
        raise ValueError(f"{x} and weights {w} do not multiply: {x.shape[-1]} features against {w.shape[1]}")
    check_bias(bias, w.shape[0])
    check_activation(attrs)
    return [TensorType(x.dtype, (*x.shape[:-1], w.shape[0]))]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    x, w, *bias = args
    return [activate(x @ w.T + (bias[0] if bias else 0), attrs)]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    x, w, *bias = node.inputs
    g = activation_gradient(emit, node, grads[0])
    dense_grads: list[Value | None] = [emit("matmul", g, w), emit("dense_weight_grad", g, x)]
    return dense_grads + [bias_gradient(emit, g) for _ in bias]


def _macs(node: Node) -> int:
    return node.outputs[0].type.size * node.inputs[1].type.shape[1]


ALL = (0, 1, 2)

DENSE = OpDef(
    name="dense",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    macs=_macs,
    examples=[
        Example([f32(2, 3), f32(4, 3)], differentiable=(0, 1)),
        Example([f32(2, 3), f32(4, 3), f32(4)], {"activation": "relu"}, differentiable=ALL),
        Example([f32(3, 10), f32(9, 10), f32(9)], {"activation": "relu6"}, differentiable=ALL),
        Example([f32(2, 5, 3), f32(4, 3), f32(4)], differentiable=ALL),
        Example([f32(1, 13), f32(6, 13), f32(6)], differentiable=ALL),
    ],
)


def _infer_weight_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    g, x = types
    if len(g.shape) < 2 or g.shape[:-1] != x.shape[:-1]:
        raise ValueError(f"gradient {g} and input {x} differ in their leading axes, or have none")
    return [TensorType(g.dtype, (g.shape[-1], x.shape[-1]))]


def _evaluate_weight_grad(args: Arrays, attrs: Attrs) -> Results:
    g, x = (a.reshape(-1, a.shape[-1]) for a in args)
    return [g.T @ x]


def _gradient_weight_grad(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    (g, x), (dw_grad,) = node.inputs, grads
    assert dw_grad is not None
    return [emit("dense", x, dw_grad), emit("matmul", g, dw_grad)]


def _slices(node: Node) -> Mapping[int, Sequence[tuple[int, int]]]:
    last = len(node.inputs[0].type.shape) - 1
    return {0: ((0, last),), 1: ((1, last),)}


DENSE_WEIGHT_GRAD = OpDef(
    name="dense_weight_grad",
    infer=_infer_weight_grad,
    evaluate=_evaluate_weight_grad,
    gradient=_gradient_weight_grad,
    macs=lambda node: node.outputs[0].type.size * math.prod(node.inputs[0].type.shape[:-1]),
    slices=_slices,
    examples=[
        Example([f32(2, 4), f32(2, 3)], differentiable=(0, 1)),
        Example([f32(2, 5, 4), f32(2, 5, 3)], differentiable=(0, 1)),
        Example([f32(1, 9), f32(1, 6)], differentiable=(0, 1)),
        Example([f32(6, 9), f32(6, 10)], differentiable=(0, 1)),
    ],
)

OPS = (DENSE, DENSE_WEIGHT_GRAD)

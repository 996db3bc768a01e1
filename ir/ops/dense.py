"""dense(x, w, bias?) = x wᵀ + bias over the last axis, with an activation, and its weight gradient."""

import math
from collections.abc import Mapping, Sequence

from gradlet.ir.activations import activate, activation_gradient, check_activation
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.tensor_type import TensorType, f32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    x, w, *bias = types
    if len(w.shape) != 2 or x.shape[-1:] != w.shape[1:]:
        raise ValueError(f"{x} and weights {w} do not multiply: the last axes differ")
    if bias and bias[0].shape != w.shape[:1]:
        raise ValueError(f"bias {bias[0]} does not match the {w.shape[0]} rows of weights {w}")
    check_activation(attrs)
    return [TensorType(x.dtype, (*x.shape[:-1], w.shape[0]))]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    x, w, *bias = args
    return [activate(x @ w.T + (bias[0] if bias else 0), attrs)]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    x, w, *bias = node.inputs
    g = activation_gradient(emit, node, grads[0])
    axes = tuple(range(len(g.type.shape) - 1))
    dense_grads: list[Value | None] = [emit("matmul", g, w), emit("dense_weight_grad", g, x)]
    return dense_grads + [emit("sum", g, axis=axes) for _ in bias]


def _macs(node: Node) -> int:
    return node.outputs[0].type.size * node.inputs[1].type.shape[1]


DENSE = OpDef(
    name="dense",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    macs=_macs,
    examples=[
        Example([f32(2, 3), f32(4, 3)], differentiable=(0, 1)),
        Example([f32(2, 3), f32(4, 3), f32(4)], {"activation": "relu"}, differentiable=(0, 1, 2)),
        Example([f32(2, 5, 3), f32(4, 3), f32(4)], differentiable=(0, 1, 2)),
    ],
)


def _infer_weight_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    g, x = types
    if g.shape[:-1] != x.shape[:-1]:
        raise ValueError(f"gradient {g} and input {x} differ in their leading axes")
    return [TensorType(g.dtype, (g.shape[-1], x.shape[-1]))]


def _evaluate_weight_grad(args: Arrays, attrs: Attrs) -> Results:
    g, x = (a.reshape(-1, a.shape[-1]) for a in args)
    return [g.T @ x]


def _slices(node: Node) -> Mapping[int, Sequence[tuple[int, int]]]:
    last = len(node.inputs[0].type.shape) - 1
    return {0: ((0, last),), 1: ((1, last),)}


DENSE_WEIGHT_GRAD = OpDef(
    name="dense_weight_grad",
    infer=_infer_weight_grad,
    evaluate=_evaluate_weight_grad,
    macs=lambda node: node.outputs[0].type.size * math.prod(node.inputs[0].type.shape[:-1]),
    slices=_slices,
    examples=[Example([f32(2, 4), f32(2, 3)]), Example([f32(2, 5, 4), f32(2, 5, 3)])],
)

OPS = (DENSE, DENSE_WEIGHT_GRAD)

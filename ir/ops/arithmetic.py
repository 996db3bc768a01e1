"""add, sub, mul and div, element by element with numpy's broadcasting."""

from collections.abc import Callable, Sequence

import numpy as np

from gradlet.ir.broadcasting import broadcast_shape, slices, sum_to
from gradlet.ir.elementwise import check_count, check_float, positive
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Emit, Example, OpDef, normal
from gradlet.ir.tensor_type import DType, TensorType, f32, i32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    a, b = types
    if a.dtype is not b.dtype or a.dtype is DType.B1:
        raise ValueError(f"{a} and {b} are not numbers of one type")
    return [TensorType(a.dtype, broadcast_shape(types))]


def _infer_div(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_float(*types)
    return _infer(types, attrs)


# (emit, node, gradient of the output) -> gradients of the operands as if nothing had been broadcast
_Rule = Callable[[Emit, Node, Value], tuple[Value, Value]]


def _gradient(rule: _Rule) -> Callable[[Emit, Node, Sequence[Value | None]], list[Value | None]]:
    def gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
        g = grads[0]
        assert g is not None
        if not g.type.dtype.is_float:
            return [None, None]
        return [sum_to(emit, d, v.type.shape) for d, v in zip(rule(emit, node, g), node.inputs, strict=True)]

    return gradient


def _div_rule(emit: Emit, node: Node, g: Value) -> tuple[Value, Value]:
    # d(a/b)/db = -a/b² = -y/b: keeps y, and a only if another op needs it.
    return emit("div", g, node.inputs[1]), emit("neg", emit("div", emit("mul", g, node.outputs[0]), node.inputs[1]))


_RULES: dict[str, _Rule] = {
    "add": lambda emit, node, g: (g, g),
    "sub": lambda emit, node, g: (g, emit("neg", g)),
    "mul": lambda emit, node, g: (emit("mul", g, node.inputs[1]), emit("mul", g, node.inputs[0])),
    "div": _div_rule,
}

_SHAPES = [
    [f32(2, 3), f32(2, 3)],
    [f32(2, 3, 4), f32(4)],
    [f32(2, 3, 4), f32()],
    [f32(), f32(3)],
    [f32(2, 1, 2, 3), f32(4, 1, 3)],
    [f32(2, 4, 5, 3), f32(2, 1, 1, 3)],
    [f32(), f32()],
]


def _op(name: str, evaluate: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> OpDef:
    sample = positive if name == "div" else normal
    integers = [] if name == "div" else [Example([i32(2, 3), i32(3)], differentiable=())]
    return OpDef(
        name=name,
        infer=_infer_div if name == "div" else _infer,
        evaluate=lambda args, attrs: [evaluate(args[0], args[1])],
        gradient=_gradient(_RULES[name]),
        # An operand that was broadcast is smaller than the output, so that it never lends its storage.
        may_overwrite={0: (0, 1)},
        slices=slices,
        examples=[Example(types, sample=sample, differentiable=(0, 1)) for types in _SHAPES] + integers,
    )


OPS = (_op("add", np.add), _op("sub", np.subtract), _op("mul", np.multiply), _op("div", np.divide))

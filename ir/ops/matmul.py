"""matmul(a, b) over the last two axes, either of them transposed; leading axes are a batch."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.tensor_type import TensorType, f32


def _transposed(attrs: Attrs) -> tuple[bool, bool]:
    return attrs.get("transpose_a", False), attrs.get("transpose_b", False)


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    a, b = types
    if len(a.shape) < 2 or len(b.shape) < 2:
        raise ValueError(f"{a} and {b}: both need two axes or more")
    (rows, inner), (inner_b, columns) = (
        t.shape[:-3:-1] if transposed else t.shape[-2:] for t, transposed in zip(types, _transposed(attrs), strict=True)
    )
    if inner != inner_b:
        raise ValueError(f"{a} and {b} do not multiply: {inner} columns against {inner_b} rows")
    leading, leading_b = a.shape[:-2], b.shape[:-2]
    if leading and leading_b and leading != leading_b:
        raise ValueError(f"{a} and {b} differ in their leading axes, and neither has none")
    return [TensorType(a.dtype, (*(leading or leading_b), rows, columns))]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    a, b = (np.swapaxes(x, -1, -2) if t else x for x, t in zip(args, _transposed(attrs), strict=True))
    return [a @ b]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    (g,), (a, b) = grads, node.inputs
    assert g is not None
    ta, tb = _transposed(node.attrs)
    da = _product(emit, b, g, tb, True) if ta else _product(emit, g, b, False, not tb)
    if _is_batched(a) and not _is_batched(b) and not ta:
        # The sum over the batch is a product of taller matrices: no gradient for each of the batch.
        return [da, emit("dense_weight_grad", *((g, a) if tb else (a, g)))]
    db = _product(emit, g, a, True, ta) if tb else _product(emit, a, g, not ta, False)
    return [_like(emit, da, a), _like(emit, db, b)]


def _product(emit: Emit, a: Value, b: Value, transpose_a: bool, transpose_b: bool) -> Value:
    attrs = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    return emit("matmul", a, b, **{name: True for name, value in attrs.items() if value})


def _is_batched(value: Value) -> bool:
    return len(value.type.shape) > 2


def _like(emit: Emit, grad: Value, operand: Value) -> Value:
    """Sums the gradient over the leading axes that the operand does not have."""
    absent = len(grad.type.shape) - len(operand.type.shape)
    return emit("sum", grad, axis=tuple(range(absent))) if absent else grad


def _macs(node: Node) -> int:
    inner = node.inputs[0].type.shape[-2 if node.attrs.get("transpose_a", False) else -1]
    return node.outputs[0].type.size * inner


BOTH = (0, 1)

MATMUL = OpDef(
    name="matmul",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    macs=_macs,
    examples=[
        Example([f32(2, 3), f32(3, 4)], differentiable=BOTH),
        Example([f32(3, 2), f32(3, 4)], {"transpose_a": True}, differentiable=BOTH),
        Example([f32(2, 3), f32(4, 3)], {"transpose_b": True}, differentiable=BOTH),
        Example([f32(3, 2), f32(4, 3)], {"transpose_a": True, "transpose_b": True}, differentiable=BOTH),
        Example([f32(9, 5), f32(5, 7)], differentiable=BOTH),
        Example([f32(5, 9), f32(5, 7)], {"transpose_a": True}, differentiable=BOTH),
        Example([f32(9, 5), f32(7, 5)], {"transpose_b": True}, differentiable=BOTH),
        Example([f32(2, 5, 3), f32(3, 4)], differentiable=BOTH),
        Example([f32(2, 5, 3), f32(4, 3)], {"transpose_b": True}, differentiable=BOTH),
        Example([f32(2, 3, 5), f32(3, 4)], {"transpose_a": True}, differentiable=BOTH),
        Example([f32(5, 3), f32(2, 3, 4)], differentiable=BOTH),
        Example([f32(3, 2, 5, 3), f32(3, 2, 3, 4)], differentiable=BOTH),
        Example([f32(3, 2, 3, 5), f32(3, 2, 4, 3)], {"transpose_a": True, "transpose_b": True}, differentiable=BOTH),
    ],
)

OPS = (MATMUL,)

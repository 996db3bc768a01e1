"""Mean cross entropy of softmax(logits) against class indices, and its gradient."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import check_count, check_float
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.ops.softmax import log_softmax
from gradlet.ir.tensor_type import DType, TensorType, f32, i32


def _check(types: Sequence[TensorType]) -> None:
    check_count(types, 2)
    logits, labels = types
    check_float(logits)
    if len(logits.shape) != 2 or labels.shape != logits.shape[:1] or labels.dtype is not DType.I32:
        raise ValueError(f"logits {logits} are to be of two axes, labels {labels} one i32 for each row")


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    _check(types)
    return [types[0].with_shape()]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    logits, labels = args
    return [-np.mean(log_softmax(logits, -1)[np.arange(len(labels)), labels])]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit.scaled(emit("softmax_cross_entropy_grad", *node.inputs), grads[0]), None]


def _infer_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    _check(types)
    return [types[0]]


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    logits, labels = args
    one_hot = np.eye(logits.shape[1], dtype=logits.dtype)[labels]
    return [(np.exp(log_softmax(logits, -1)) - one_hot) / len(labels)]


def _sample(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    logits, labels = types
    drawn = rng.integers(0, logits.shape[1], size=labels.shape).astype(np.int32)
    return [rng.normal(size=logits.shape).astype(np.float32), drawn]


SOFTMAX_CROSS_ENTROPY = OpDef(
    name="softmax_cross_entropy",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    examples=[Example([f32(4, 3), i32(4)], sample=_sample)],
)

SOFTMAX_CROSS_ENTROPY_GRAD = OpDef(
    name="softmax_cross_entropy_grad",
    infer=_infer_grad,
    evaluate=_evaluate_grad,
    may_overwrite={0: (0,)},
    examples=[Example([f32(4, 3), i32(4)], sample=_sample)],
)

OPS = (SOFTMAX_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY_GRAD)

"""ordered_softmax_cross_entropy(logits, labels): with exp and log as ir/exact_math has them, sums in order of index."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.exact_math import exp, log, ordered_sum
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.ops.softmax_cross_entropy import SOFTMAX_CROSS_ENTROPY, SOFTMAX_CROSS_ENTROPY_GRAD
from gradlet.ir.tensor_type import f32, i32


def _exponentials(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x - max x, its exp, the sum of that for each row)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    powers = exp(shifted)
    return shifted, powers, ordered_sum(powers, axis=1)


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    logits, labels = args
    shifted, _, sums = _exponentials(logits)
    losses = log(sums) - shifted[np.arange(len(labels)), labels]
    return [ordered_sum(losses, axis=0) / logits.dtype.type(len(labels))]


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    logits, labels = args
    _, powers, sums = _exponentials(logits)
    one_hot = np.eye(logits.shape[1], dtype=logits.dtype)[labels]
    return [(powers / sums[:, None] - one_hot) / logits.dtype.type(len(labels))]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit.scaled(emit("ordered_softmax_cross_entropy_grad", *node.inputs), grads[0]), None]


_SAMPLE = SOFTMAX_CROSS_ENTROPY.examples[0].sample
_EXAMPLES = [Example([f32(4, 3), i32(4)], sample=_SAMPLE), Example([f32(1, 10), i32(1)], sample=_SAMPLE)]

ORDERED_SOFTMAX_CROSS_ENTROPY = OpDef(
    name="ordered_softmax_cross_entropy",
    infer=SOFTMAX_CROSS_ENTROPY.infer,
    evaluate=_evaluate,
    gradient=_gradient,
    examples=_EXAMPLES,
)

ORDERED_SOFTMAX_CROSS_ENTROPY_GRAD = OpDef(
    name="ordered_softmax_cross_entropy_grad",
    infer=SOFTMAX_CROSS_ENTROPY_GRAD.infer,
    evaluate=_evaluate_grad,
    may_overwrite={0: (0,)},
    examples=_EXAMPLES,
)

OPS = (ORDERED_SOFTMAX_CROSS_ENTROPY, ORDERED_SOFTMAX_CROSS_ENTROPY_GRAD)

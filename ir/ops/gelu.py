"""gelu(x; approximate) = x times the normal distribution at x, or an approximation of it by tanh, and its gradient."""

import math
from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import floats_of_one_shape, slices
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.tensor_type import f32

# The approximation is x (1 + tanh(ROOT (x + CUBIC x^3))) / 2.
ROOT, CUBIC = math.sqrt(2 / math.pi), 0.044715
_ERF = np.vectorize(math.erf, otypes=[np.float64])


def _distribution(x: np.ndarray, attrs: Attrs) -> tuple[np.ndarray, np.ndarray]:
    """(by what gelu multiplies x, the slope of that)."""
    if attrs.get("approximate", False):
        t = np.tanh(ROOT * (x + CUBIC * x * x * x))
        return (1 + t) / 2, (1 - t * t) / 2 * ROOT * (1 + 3 * CUBIC * x * x)
    return (1 + _ERF(x * math.sqrt(0.5)).astype(x.dtype)) / 2, np.exp(-x * x / 2) * (ROOT / 2)


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    (x,) = args
    return [x * _distribution(x, attrs)[0]]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("gelu_grad", grads[0], node.inputs[0], **node.attrs)]


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    g, x = args
    share, slope = _distribution(x, attrs)
    return [g * (share + x * slope)]


GELU = OpDef(
    name="gelu",
    infer=floats_of_one_shape(1),
    evaluate=_evaluate,
    gradient=_gradient,
    may_overwrite={0: (0,)},
    slices=slices,
    examples=[Example([f32(4, 60)]), Example([f32(9, 9)], {"approximate": True}), Example([f32()])],
)

# Takes the *input*: gelu falls before it grows, so that its output does not tell where on the curve it is.
GELU_GRAD = OpDef(
    name="gelu_grad",
    infer=floats_of_one_shape(2),
    evaluate=_evaluate_grad,
    may_overwrite={0: (0, 1)},
    slices=slices,
    examples=[Example([f32(4, 60), f32(4, 60)]), Example([f32(9, 9), f32(9, 9)], {"approximate": True})],
)

OPS = (GELU, GELU_GRAD)

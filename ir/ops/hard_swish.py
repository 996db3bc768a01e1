"""hard_swish(x) = x clip(x + 3, 0, 6) / 6, and its gradient."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import away_from, floats_of_one_shape, slices
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results, Sampler
from gradlet.ir.tensor_type import TensorType, f32


def _wide(sample: Sampler) -> Sampler:
    """Samples on all three pieces of the curve."""

    def wide(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
        return [x * np.asarray(3, x.dtype) for x in sample(types, rng)]

    return wide


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("hard_swish_grad", grads[0], node.inputs[0])]


HARD_SWISH = OpDef(
    name="hard_swish",
    infer=floats_of_one_shape(1),
    evaluate=lambda args, attrs: [args[0] * (np.clip(args[0] + 3, 0, 6) / 6)],
    gradient=_gradient,
    may_overwrite={0: (0,)},
    slices=slices,
    examples=[Example([f32(4, 6)], sample=_wide(away_from(-1, 1))), Example([f32()])],
)


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    g, x = args
    slope = np.where(np.abs(x) < 3, x / 3 + 0.5, x > 0)
    return [g * slope.astype(x.dtype)]


HARD_SWISH_GRAD = OpDef(
    name="hard_swish_grad",
    infer=floats_of_one_shape(2),
    evaluate=_evaluate_grad,
    may_overwrite={0: (0, 1)},
    slices=slices,
    examples=[Example([f32(4, 6), f32(4, 6)], sample=_wide(away_from(-1, 1)))],
)

OPS = (HARD_SWISH, HARD_SWISH_GRAD)

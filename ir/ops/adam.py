"""adam, and with decoupled weight decay AdamW: steps scaled by running moments of the gradient; all in place."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import Arrays, Example, OpDef, Results, Sampler
from gradlet.ir.tensor_type import TensorType, f32, i32
from gradlet.ir.updates import (
    check_counter,
    check_gradient,
    check_micro,
    check_moments,
    check_rate,
    index_of,
    is_due,
    moment_region,
    region,
    samples,
)


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    w, g, m, v, step, lr, *micro = types
    check_gradient(w, g, attrs)
    check_moments(g, attrs, m, v)
    check_counter(step)
    check_rate(lr, w)
    check_micro(micro, attrs)
    return [w, m, v]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    """As torch.optim.Adam and AdamW (Kingma, Ba, 2015; Loshchilov, Hutter, 2019); `step` is 1 in the first update."""
    w, g, m, v, step, lr, *micro = args
    if not is_due(micro, attrs):
        return [w, m, v]
    beta1, beta2, decay = attrs["beta1"], attrs["beta2"], attrs.get("weight_decay", 0.0)
    part, of_moment = index_of(region(attrs), w), index_of(moment_region(attrs), m)
    w, m, v = w.copy(), m.copy(), v.copy()
    if attrs.get("decoupled", False):
        w[part] *= 1 - lr * decay
    else:
        g = g + decay * w[part]
    mean = m[of_moment] = beta1 * m[of_moment] + (1 - beta1) * g
    square = v[of_moment] = beta2 * v[of_moment] + (1 - beta2) * g * g
    correction1, correction2 = 1 - beta1 ** int(step), 1 - beta2 ** int(step)
    w[part] -= lr / correction1 * mean / (np.sqrt(square) / np.sqrt(correction2).astype(v.dtype) + attrs["eps"])
    return [w, m, v]


def _samples(**fixed: float) -> Sampler:
    """The second moment is a mean of squares."""

    def sample(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
        w, g, m, v, *scalars = samples(**fixed)(types, rng)
        return [w, g, m, np.square(v), *scalars]

    return sample


_FULL = [f32(2, 3), f32(2, 3), f32(2, 3), f32(2, 3), i32(), f32()]
_PART = [f32(6, 3), f32(2, 3), f32(2, 3), f32(2, 3), i32(), f32()]
_SHARED = [f32(2, 6, 3), f32(2, 2, 3), f32(2, 4, 3), f32(2, 4, 3), i32(), f32()]
_BETAS = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}

ADAM = OpDef(
    name="adam",
    infer=_infer,
    evaluate=_evaluate,
    writes={0: 0, 1: 2, 2: 3},
    examples=[
        Example(_FULL, _BETAS, _samples(step=1, lr=0.1)),
        Example(_FULL, {**_BETAS, "weight_decay": 0.1}, _samples(step=1000, lr=0.1)),
        Example(_FULL, {**_BETAS, "weight_decay": 0.1, "decoupled": True}, _samples(step=12, lr=0.1)),
        Example(_PART, {**_BETAS, "axis": 0, "begin": 2, "end": 4}, _samples(step=3, lr=0.1)),
        Example(_SHARED, {**_BETAS, "axis": 1, "begin": 3, "end": 5, "moments_begin": 2}, _samples(step=3, lr=0.1)),
        Example([*_FULL, i32()], {**_BETAS, "every": 3}, _samples(step=2, lr=0.1, micro=5)),
        Example([*_FULL, i32()], {**_BETAS, "every": 3}, _samples(step=0, lr=0.1, micro=0)),
    ],
)

OPS = (ADAM,)

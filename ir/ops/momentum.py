"""momentum: v = momentum * v + g, then w -= lr * v, or with Nesterov's look ahead; both in place."""

from collections.abc import Sequence

from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import Arrays, Example, OpDef, Results
from gradlet.ir.tensor_type import TensorType, f32, i32
from gradlet.ir.updates import (
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
    w, g, v, lr, *micro = types
    check_gradient(w, g, attrs)
    check_moments(g, attrs, v)
    check_rate(lr, w)
    check_micro(micro, attrs)
    return [w, v]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    """As torch.optim.SGD without dampening; the moment starts at zero."""
    w, g, v, lr, *micro = args
    if not is_due(micro, attrs):
        return [w, v]
    part, of_moment = index_of(region(attrs), w), index_of(moment_region(attrs), v)
    w, v = w.copy(), v.copy()
    g = g + attrs.get("weight_decay", 0.0) * w[part]
    v[of_moment] = attrs["momentum"] * v[of_moment] + g
    w[part] -= lr * (g + attrs["momentum"] * v[of_moment] if attrs.get("nesterov", False) else v[of_moment])
    return [w, v]


_FULL = [f32(2, 3), f32(2, 3), f32(2, 3), f32()]
_PART = [f32(2, 6), f32(2, 3), f32(2, 3), f32()]
_SHARED = [f32(2, 6), f32(2, 2), f32(2, 5), f32()]

MOMENTUM = OpDef(
    name="momentum",
    infer=_infer,
    evaluate=_evaluate,
    writes={0: 0, 1: 2},
    examples=[
        Example(_FULL, {"momentum": 0.9}, samples(lr=0.1)),
        Example(_FULL, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}, samples(lr=0.1)),
        Example(_PART, {"momentum": 0.5, "axis": 1, "begin": 3, "end": 6}, samples(lr=0.1)),
        Example(_SHARED, {"momentum": 0.5, "axis": 1, "begin": 3, "end": 5, "moments_begin": 1}, samples(lr=0.1)),
        Example([*_FULL, i32()], {"momentum": 0.9, "every": 2}, samples(lr=0.1, micro=1)),
        Example([*_FULL, i32()], {"momentum": 0.9, "every": 2}, samples(lr=0.1, micro=2)),
    ],
)

OPS = (MOMENTUM,)

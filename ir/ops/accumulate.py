"""accumulate: the mean gradient of several steps; count: what tells how many have passed. Both in place."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import Arrays, Example, OpDef, Results
from gradlet.ir.tensor_type import TensorType, f32, i32
from gradlet.ir.updates import check_counter, check_gradient, check_micro, index_of, is_due, region, samples


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    a, g, micro = types
    check_gradient(a, g, attrs)
    check_micro([micro], attrs)
    return [a]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    """Starts anew when a group of `every` steps starts; `micro` holds the steps done before this one."""
    a, g, micro = args
    part, share, a = index_of(region(attrs), a), g * (1 / attrs["every"]), a.copy()
    a[part] = share if int(micro) % attrs["every"] == 0 else a[part] + share
    return [a]


_TYPES = [f32(2, 3), f32(2, 3), i32()]

ACCUMULATE = OpDef(
    name="accumulate",
    infer=_infer,
    evaluate=_evaluate,
    writes={0: 0},
    examples=[
        Example(_TYPES, {"every": 3}, samples(micro=6)),
        Example(_TYPES, {"every": 3}, samples(micro=1)),
        Example([f32(2, 5), f32(2, 3), i32()], {"every": 3, "axis": 1, "begin": 1, "end": 4}, samples(micro=6)),
        Example([f32(2, 5), f32(2, 3), i32()], {"every": 3, "axis": 1, "begin": 1, "end": 4}, samples(micro=7)),
        Example([f32(), f32(), i32()], {"every": 1}, samples(a=0.5, g=0.25, micro=1)),
    ],
)


def _infer_count(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    c, *micro = types
    check_counter(c)
    check_micro(micro, attrs)
    return [c]


def _evaluate_count(args: Arrays, attrs: Attrs) -> Results:
    c, *micro = args
    return [c + np.int32(1) if is_due(micro, attrs) else c]


COUNT = OpDef(
    name="count",
    infer=_infer_count,
    evaluate=_evaluate_count,
    writes={0: 0},
    examples=[
        Example([i32()], {}, samples(c=41), ()),
        Example([i32(), i32()], {"every": 4}, samples(c=5, micro=3), ()),
        Example([i32(), i32()], {"every": 4}, samples(c=5, micro=4), ()),
    ],
)

OPS = (ACCUMULATE, COUNT)

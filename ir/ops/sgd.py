"""sgd: w -= lr * (g + weight_decay * w), in place, on all of w or on a region of it."""

from collections.abc import Sequence

from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import Arrays, Example, OpDef, Results
from gradlet.ir.tensor_type import TensorType, f32, i32
from gradlet.ir.updates import check_gradient, check_micro, check_rate, index_of, is_due, region, samples


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    w, g, lr, *micro = types
    check_gradient(w, g, attrs)
    check_rate(lr, w)
    check_micro(micro, attrs)
    return [w]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    w, g, lr, *micro = args
    if not is_due(micro, attrs):
        return [w]
    part, updated = index_of(region(attrs), w), w.copy()
    updated[part] -= lr * (g + attrs.get("weight_decay", 0.0) * w[part])
    return [updated]


SGD = OpDef(
    name="sgd",
    infer=_infer,
    evaluate=_evaluate,
    writes={0: 0},
    examples=[
        Example([f32(2, 3), f32(2, 3), f32()], {}, samples(lr=0.1)),
        Example([f32(2, 3), f32(2, 3), f32()], {"weight_decay": 0.01}, samples(lr=0.1)),
        Example([f32(2, 6), f32(2, 3), f32()], {"axis": 1, "begin": 1, "end": 4}, samples(lr=0.1)),
        Example([f32(5, 2, 2), f32(2, 2, 2), f32()], {"axis": 0, "begin": 3, "end": 5}, samples(lr=0.1)),
        Example([f32(2, 3), f32(2, 3), f32(), i32()], {"every": 4}, samples(lr=0.1, micro=7)),
        Example([f32(2, 3), f32(2, 3), f32(), i32()], {"every": 4}, samples(lr=0.1, micro=5)),
    ],
)

OPS = (SGD,)

"""sgd: w -= lr * (g + weight_decay * w), in place, on all of w or on a region of it."""

from collections.abc import Sequence

from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import Arrays, Example, OpDef, Results
from gradlet.ir.tensor_type import TensorType, f32, i32
from gradlet.ir.updates import check_gradient, is_due, region_index


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_gradient(types[0], types[1], attrs)
    return [types[0]]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    w, g, lr, *micro = args
    if not is_due(micro, attrs):
        return [w]
    part, updated = region_index(w, attrs), w.copy()
    updated[part] -= lr * (g + attrs.get("weight_decay", 0.0) * w[part])
    return [updated]


SGD = OpDef(
    name="sgd",
    infer=_infer,
    evaluate=_evaluate,
    writes={0: 0},
    examples=[
        Example([f32(2, 3), f32(2, 3), f32()]),
        Example([f32(2, 3), f32(2, 3), f32()], {"weight_decay": 0.01}),
        Example([f32(2, 6), f32(2, 3), f32()], {"axis": 1, "begin": 1, "end": 4}),
        Example([f32(2, 3), f32(2, 3), f32(), i32()], {"every": 4}),
    ],
)

OPS = (SGD,)

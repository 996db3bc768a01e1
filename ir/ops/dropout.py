"""dropout(x, counter; rate, seed): sets random elements to zero, scales the others; says which, and counts on."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import check_count, check_float
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.random_bits import random_bits, threshold
from gradlet.ir.tensor_type import DType, TensorType, f32, i32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    x, counter = types
    check_float(x)
    if counter != i32():
        raise ValueError(f"counter {counter} is not i32[]")
    if not 0 <= attrs["rate"] < 1:
        raise ValueError(f"rate {attrs['rate']} is not in [0, 1)")
    return [x, TensorType(DType.B1, x.shape), counter]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    x, counter = args
    bits = random_bits(attrs["seed"], int(counter), x.size).reshape(x.shape)
    kept = bits >= np.uint32(threshold(attrs["rate"]))
    # Counts in u32, as C does, so that the last number is followed by the first.
    following = (counter.astype(np.uint32) + np.uint32(1)).astype(np.int32)
    return [np.where(kept, x * (1 / (1 - attrs["rate"])), 0), kept, following]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    if grads[0] is None:
        return [None, None]
    return [emit("masked", grads[0], node.outputs[1], scale=1 / (1 - node.attrs["rate"])), None]


DROPOUT = OpDef(
    name="dropout",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    writes={2: 1},
    may_overwrite={0: (0,)},
    inference=lambda emit, node: [node.inputs[0], None, None],
    examples=[
        Example([f32(4, 9), i32()], {"rate": 0.5, "seed": 7}),
        Example([f32(2, 8), i32()], {"rate": 0.2, "seed": -1}),
        Example([f32(5), i32()], {"rate": 0.0, "seed": 0}),
    ],
)

OPS = (DROPOUT,)

"""master_sgd(p, master, g, range?, lr, factor, micro?, moment?): a quantised parameter follows a float copy of it."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.gradient_epilogue import within
from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import Arrays, Example, OpDef, Results
from gradlet.ir.quantized_samples import i8, with_scalars
from gradlet.ir.quantized_updates import INT32_BOUND, check_rest, check_update, decay, operands, step
from gradlet.ir.tensor_type import TensorType, f32, i32
from gradlet.ir.updates import index_of, is_due, region


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    if len(types) < 5:
        raise ValueError(f"has {len(types)} operands, not 5 or more")
    p, master, *given = types
    moments = given[-1:] if "momentum" in attrs else []
    found = check_update(p, given[: len(given) - len(moments)], attrs, optional=1)
    check_rest(found.rest, attrs, counters=0)
    for name, copy in (("master", master), *(("moment", m) for m in moments)):
        if copy != f32(*found.g.shape):
            raise ValueError(f"{name} {copy} does not have the shape of gradient {found.g}")
    return [p, master, *moments]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    p, master, *given = args
    moments = [given.pop()] if "momentum" in attrs else []
    found = operands(given, lambda a: a.dtype.kind == "f")
    if not is_due(found.rest, attrs):
        return [p, master, *moments]
    if moments:
        moments = [moments[0] * found.lr.dtype.type(attrs["momentum"]) + step(found, attrs, found.lr.dtype.type(1))]
        d = found.lr * moments[0]
    else:
        d = step(found, attrs, found.lr)
    if attrs.get("weight_decay"):
        d = d + decay(found, attrs, master)
    master, updated = master - d, p.copy()
    updated[index_of(region(attrs), p)] = np.rint(within(master, 127 if p.dtype == np.int8 else INT32_BOUND))
    return [updated, master, *moments]


CHANNELS = {"channel_axis": 0}

MASTER_SGD = OpDef(
    name="master_sgd",
    infer=_infer,
    evaluate=_evaluate,
    writes={0: 0, 1: 1, 2: -1},
    examples=[
        Example([i8(4, 5), f32(4, 5), f32(4, 5), f32(), f32(4)], CHANNELS, with_scalars(0.5), ()),
        Example(
            [i8(4, 5), f32(4, 2), i32(4, 2), f32(2), f32(), f32(4)],
            CHANNELS | {"axis": 1, "begin": 0, "end": 2},
            with_scalars(0.01),
            (),
        ),
        Example(
            [i8(4, 5), f32(4, 5), f32(4, 5), f32(), f32(4), f32(4, 5)],
            CHANNELS | {"momentum": 0.9},
            with_scalars(0.5),
            (),
        ),
        Example(
            [i32(4), f32(4), i32(4), f32(2), f32(), f32(4), i32()],
            CHANNELS | {"weight_decay": 0.01, "every": 2},
            with_scalars(0.01, 3),
            (),
        ),
    ],
)

OPS = (MASTER_SGD,)

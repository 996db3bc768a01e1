"""pad."""

import math

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.loops import loops, row_major
from gradlet.ir.graph import Node
from gradlet.ir.requantize import DTYPES
from gradlet.ir.tensor_type import DType


def _pad(node: Node) -> list[Call]:
    (x,), (y,) = node.inputs, node.outputs
    before, value, shape = node.attrs["before"], node.attrs.get("value", 0.0), x.type.shape
    element = y.type.dtype.bits // 8
    to = [element * step for step in row_major(y.type.shape)]
    begin = sum(n * step for n, step in zip(before, to, strict=True))
    # Up to and including the last axis that grows, elements that are neighbours in x are so in y.
    grown = [axis for axis, size in enumerate(shape) if y.type.shape[axis] != size]
    outer = grown[-1] if grown else 0
    runs = loops(shape[:outer], [element * step for step in row_major(shape)[:outer]], to[:outer])
    filled = (
        call("pad_fill_f32", y, y.type.size, float(value))
        if y.type.dtype is DType.F32
        else call(f"pad_fill_i{y.type.dtype.bits}", y, y.type.size, int(value))
    )
    return [filled, call("pad_runs", y, x, begin, element * math.prod(shape[outer:]), runs)]


KERNELS = {"pad": Kernel(beside(__file__), _pad, dtypes=(DType.F32, *DTYPES.values()))}

"""qsum and qmean."""

import numpy as np

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.loops import loops, row_major
from gradlet.ir.axes import axes_of
from gradlet.ir.graph import Node
from gradlet.ir.ops.qsum import count_of, factor, multiplier
from gradlet.ir.requantize import ROUNDINGS, rounding
from gradlet.ir.tensor_type import DType


def _qsum(node: Node) -> Call:
    (x,), (y, *mask), attrs = node.inputs, node.outputs, node.attrs
    shape, axes = x.type.shape, axes_of(attrs, len(x.type.shape))
    steps, kept = row_major(shape), [a for a in range(len(shape)) if a not in axes]
    last = kept.pop() if kept else None
    nests = (loops([shape[a] for a in some], [steps[a] for a in some]) for some in (kept, axes))
    columns = (1, 0) if last is None else (shape[last], steps[last])
    zeros, count = (attrs["x_zero"], attrs["y_zero"]), count_of(shape, attrs)
    how = (float(np.float32(factor(node.op, shape, attrs))), *multiplier(node.op, shape, attrs))
    operands = [y, mask[0] if mask else None, x, y.type.size, *columns, *nests]
    return call("qsum_i8", *operands, count, zeros, *how, ROUNDINGS.index(rounding(attrs)))


_KERNEL = Kernel(beside(__file__), _qsum, dtypes=(DType.I8,))

KERNELS = {"qsum": _KERNEL, "qmean": _KERNEL}

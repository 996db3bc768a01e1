"""qsum and qmean."""

import numpy as np

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.loops import loops, row_major
from gradlet.ir.axes import axes_of
from gradlet.ir.graph import Node
from gradlet.ir.ops.qsum import count_of, factor, mean_multiplier, sum_line
from gradlet.ir.requantize import DTYPES, ROUNDINGS, ends, rounding
from gradlet.ir.tensor_type import DType


def _qsum(node: Node) -> Call:
    (x,), (y, *mask), attrs = node.inputs, node.outputs, node.attrs
    shape, axes = x.type.shape, axes_of(attrs, len(x.type.shape))
    steps, kept = row_major(shape), [a for a in range(len(shape)) if a not in axes]
    last = kept.pop() if kept else None
    nests = (loops([shape[a] for a in some], [steps[a] for a in some]) for some in (kept, axes))
    columns = (1, 0) if last is None else (shape[last], steps[last])
    zeros, count = (attrs["x_zero"], attrs["y_zero"]), count_of(shape, attrs)
    operands = [y, mask[0] if mask else None, x, y.type.size, *columns, *nests]
    if y.type.dtype is DType.I16:
        return call("qsum_i16", *operands, _scale(node)[0], *ends(attrs))
    return call("qsum_i8", *operands, count, zeros, *_scale(node), ROUNDINGS.index(rounding(attrs)))


def _scale(node: Node) -> tuple[float, float, int, int]:
    """factor, bias, mantissa, shift."""
    shape, attrs = node.inputs[0].type.shape, node.attrs
    if rounding(attrs) == "float":
        return float(np.float32(factor(node.op, shape, attrs))), 0.0, 0, 0
    if node.op == "qmean":
        return 0.0, 0.0, *mean_multiplier(shape, attrs)
    scale, bias = sum_line(shape, attrs)
    return float(scale), float(bias), 0, 0


_KERNEL = Kernel(beside(__file__), _qsum, dtypes=DTYPES.values())

KERNELS = {"qsum": _KERNEL, "qmean": _KERNEL}

"""qmul."""

import numpy as np

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.loops import pair_loops
from gradlet.ir.graph import Node
from gradlet.ir.ops.qmul import factor
from gradlet.ir.requantize import DTYPES, ROUNDINGS, ends, quantize_multiplier, rounding
from gradlet.ir.tensor_type import DType


def _qmul(node: Node) -> Call:
    (y, *mask), (a, b), attrs = node.outputs, node.inputs, node.attrs
    zeros = attrs["x1_zero"], attrs["x2_zero"], attrs["y_zero"]
    operands = [y, mask[0] if mask else None, a, b, y.type.size, pair_loops(a, b, y)]
    single = float(np.float32(factor(attrs)))
    if y.type.dtype is DType.I16:
        return call("qmul_i16", *operands, single, *ends(attrs))
    numbers = single, *quantize_multiplier(factor(attrs)), ROUNDINGS.index(rounding(attrs))
    return call("qmul_i8", *operands, zeros, *numbers)


KERNELS = {"qmul": Kernel(beside(__file__), _qmul, dtypes=DTYPES.values())}

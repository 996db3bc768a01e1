"""qsquared_difference."""

import numpy as np

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.loops import pair_loops
from gradlet.ir.graph import Node
from gradlet.ir.ops.qsquared_difference import fixed_factors, float_factors
from gradlet.ir.requantize import ROUNDINGS, quantize_multiplier, rounding
from gradlet.ir.tensor_type import DType


def _call(node: Node) -> Call:
    (y, *mask), (a, b), attrs = node.outputs, node.inputs, node.attrs
    zeros = attrs["x1_zero"], attrs["x2_zero"], attrs["y_zero"]
    floats = (float(np.float32(f)) for f in float_factors(attrs))
    fixed = tuple(n for f in fixed_factors(attrs) for n in quantize_multiplier(f))
    operands = [y, mask[0] if mask else None, a, b, y.type.size, pair_loops(a, b, y)]
    return call("qsquared_difference_i8", *operands, zeros, *floats, fixed, ROUNDINGS.index(rounding(attrs)))


KERNELS = {"qsquared_difference": Kernel(beside(__file__), _call, dtypes=(DType.I8,))}

"""qadd."""

import numpy as np

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.loops import pair_loops
from gradlet.ir.graph import Node
from gradlet.ir.ops.qadd import factors, fixed_factors, sign
from gradlet.ir.requantize import DTYPES, ROUNDINGS, ends, quantize_multiplier, rounding
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _qadd(node: Node) -> Call:
    (y, *mask), (a, b) = node.outputs, node.inputs
    attrs, kind = node.attrs, rounding(node.attrs)
    zeros = attrs["x1_zero"], attrs["x2_zero"], attrs["y_zero"]
    first, second = (float(np.float32(f)) for f in factors(attrs))
    operands = [y, mask[0] if mask else None, a, b, y.type.size, pair_loops(a, b, y)]
    if y.type.dtype is DType.I16:
        return call("qadd_i16", *operands, first, second, *ends(attrs))
    multipliers = None
    if kind != "float":
        multipliers = (*(n for f in fixed_factors(attrs) for n in quantize_multiplier(f)), sign(attrs))
    return call("qadd_i8", *operands, zeros, first, second, multipliers, ROUNDINGS.index(kind))


KERNELS = {"qadd": Kernel(_C, _qadd, dtypes=DTYPES.values())}

"""qadd."""

import numpy as np

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node
from gradlet.ir.ops.qadd import factors, fixed_factors
from gradlet.ir.requantize import ROUNDINGS, quantize_multiplier, rounding
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _qadd(node: Node) -> Call:
    y, *mask = node.outputs
    attrs, kind = node.attrs, rounding(node.attrs)
    zeros = attrs["x1_zero"], attrs["x2_zero"], attrs["y_zero"]
    first, second = (float(np.float32(f)) for f in factors(attrs))
    multipliers = None if kind == "float" else tuple(n for f in fixed_factors(attrs) for n in quantize_multiplier(f))
    operands = [y, mask[0] if mask else None, *node.inputs]
    return call("qadd_i8", *operands, y.type.size, zeros, first, second, multipliers, ROUNDINGS.index(kind))


KERNELS = {"qadd": Kernel(_C, _qadd, dtypes=(DType.I8,))}

"""qmatmul."""

import math

import numpy as np

from gradlet.backends.tinyengine.kernel import Arg, Call, Kernel, beside, call
from gradlet.ir.graph import Node, Value
from gradlet.ir.ops.qmatmul import depth, factor
from gradlet.ir.requantize import ROUNDINGS, quantize_multiplier, rounding
from gradlet.ir.tensor_type import DType


def _qmatmul(node: Node) -> Call:
    (y, *mask), (a, b), attrs = node.outputs, node.inputs, node.attrs
    *leading, rows, columns = y.type.shape
    a_row, a_depth = (1, a.type.shape[-1]) if attrs.get("transpose_a", False) else (a.type.shape[-1], 1)
    b_column, b_depth = (b.type.shape[-1], 1) if attrs.get("transpose_b", False) else (1, b.type.shape[-1])
    operands = [y, mask[0] if mask else None, a, b, math.prod(leading), _step(a), _step(b)]
    sizes: list[Arg] = [rows, columns, depth(a.type, attrs), (a_row, a_depth, b_column, b_depth)]
    zeros = attrs["x1_zero"], attrs["x2_zero"], attrs["y_zero"]
    factors = (float(np.float32(factor(attrs))), *quantize_multiplier(factor(attrs)))
    return call("qmatmul_i8", *operands, *sizes, zeros, *factors, ROUNDINGS.index(rounding(attrs)))


def _step(operand: Value) -> int:
    """Elements from one matrix of the batch to the next."""
    shape = operand.type.shape
    return shape[-1] * shape[-2] if len(shape) > 2 else 0


KERNELS = {"qmatmul": Kernel(beside(__file__), _qmatmul, dtypes=(DType.I8,))}

"""qmatmul and its gradients."""

import math
from pathlib import Path

import numpy as np

from gradlet.backends.tinyengine.gradient_operands import (
    GRADIENTS,
    constants,
    formats,
    operands_of,
    start,
    suffix,
)
from gradlet.backends.tinyengine.kernel import Arg, Call, Kernel, beside, call
from gradlet.backends.tinyengine.loops import broadcast_steps, loops, row_major
from gradlet.ir.graph import Node, Value
from gradlet.ir.ops.qmatmul import depth, factor, letters
from gradlet.ir.requantize import DTYPES, ROUNDINGS, ends, quantize_multiplier, rounding
from gradlet.ir.tensor_type import DType


def _qmatmul(node: Node) -> Call:
    (y, *mask), (a, b), attrs = node.outputs, node.inputs, node.attrs
    *leading, rows, columns = y.type.shape
    a_row, a_depth = (1, a.type.shape[-1]) if attrs.get("transpose_a", False) else (a.type.shape[-1], 1)
    b_column, b_depth = (b.type.shape[-1], 1) if attrs.get("transpose_b", False) else (1, b.type.shape[-1])
    operands = [y, mask[0] if mask else None, a, b, math.prod(leading), _step(a), _step(b)]
    sizes: list[Arg] = [rows, columns, depth(a.type, attrs), (a_row, a_depth, b_column, b_depth)]
    single = float(np.float32(factor(attrs)))
    if y.type.dtype is DType.I16:
        return call("qmatmul_i16", *operands, *sizes, single, *ends(attrs))
    zeros = attrs["x1_zero"], attrs["x2_zero"], attrs["y_zero"]
    numbers = single, *quantize_multiplier(factor(attrs)), ROUNDINGS.index(rounding(attrs))
    return call("qmatmul_i8", *operands, *sizes, zeros, *numbers)


def _step(operand: Value) -> int:
    """Elements from one matrix of the batch to the next."""
    shape = operand.type.shape
    return shape[-1] * shape[-2] if len(shape) > 2 else 0


def _input_grad(node: Node) -> Call:
    found, attrs = operands_of(node, 1), node.attrs
    (x,), g, shape = found.own, found.g.type.shape, attrs["shape"]
    own, other, summed = letters(attrs)
    size = dict(zip(own, shape[-2:], strict=True)) | dict(zip("mn", g[-2:], strict=True))
    g_step = {"m": g[-1], "n": 1, "k": 0}
    x_step = dict.fromkeys("mnk", 0) | {other[0]: x.type.shape[-1], other[1]: 1}
    batch = list(zip(g[:-2], row_major(g), broadcast_steps(x.type.shape[:-2] or (1,), g[:-2] or (1,)), strict=False))
    batch = [(n, a, b * (size[other[0]] * size[other[1]])) for n, a, b in batch]
    row, column, depth = ((size[c], g_step[c], x_step[c]) for c in (own[0], own[1], summed))
    kept, gone = ([*batch, row], [depth]) if len(shape) > 2 else ([row], [*batch, depth])
    nests = (loops(*zip(*nest, strict=True)) for nest in (kept, gone))
    operands = [*start(node, found), x, x.type.dtype.bits, attrs["zero_point"], *constants(found), *column, *nests]
    return call(f"operand_gradient_{suffix(found.g)}", *operands, *formats(node, found))


KERNELS = {
    "qmatmul": Kernel(beside(__file__), _qmatmul, dtypes=DTYPES.values()),
    "qmatmul_input_grad": Kernel(Path(__file__).with_name("operand_gradients.c"), _input_grad, dtypes=GRADIENTS),
}

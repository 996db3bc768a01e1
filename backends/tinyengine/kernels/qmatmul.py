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
from gradlet.backends.tinyengine.kernel import SCRATCH, Call, Kernel, beside, call
from gradlet.backends.tinyengine.loops import broadcast_steps, loops, row_major
from gradlet.ir.graph import Node, Value
from gradlet.ir.ops.qmatmul import depth, factor, letters
from gradlet.ir.requantize import DTYPES, ROUNDINGS, ends, quantize_multiplier, rounding
from gradlet.ir.tensor_type import DType

_MOST_ROWS = 16


def _qmatmul(node: Node) -> Call:
    (y, *mask), (a, b), attrs = node.outputs, node.inputs, node.attrs
    *leading, rows, columns = y.type.shape
    terms, single = depth(a.type, attrs), float(np.float32(factor(attrs)))
    # Elements from one row of a, or column of b, to the next, and from one index of the sum.
    a_steps = (1, a.type.shape[-1]) if attrs.get("transpose_a", False) else (a.type.shape[-1], 1)
    b_steps = (b.type.shape[-1], 1) if attrs.get("transpose_b", False) else (1, b.type.shape[-1])
    results = [y, mask[0] if mask else None]
    batch = math.prod(leading)
    if y.type.dtype is DType.I16:
        numbers = batch, _step(a), _step(b), rows, columns, terms
        return call("qmatmul_i16", *results, a, b, *numbers, (*a_steps, *b_steps), single, *ends(attrs))
    if len(b.type.shape) == 2 and not attrs.get("transpose_a", False):  # One taller product.
        batch, rows = 1, batch * rows
    first, second = (rows, a, *a_steps, attrs["x1_zero"]), (columns, b, *b_steps, attrs["x2_zero"])
    # A row of results is its own transpose as it lies, and the lines of the first matrix are taken four at a time.
    (m, a, *a_lines), (n, b, *b_lines) = (second, first) if rows == 1 else (first, second)
    sizes = (m, n, terms, *a_lines, *b_lines, attrs["y_zero"])
    scale = single, *quantize_multiplier(factor(attrs)), ROUNDINGS.index(rounding(attrs))
    return call("qmatmul_i8", *results, a, b, batch, _step(a), _step(b), sizes, *scale, SCRATCH)


def _scratch(node: Node) -> int:
    """Up to 16 rows, or columns of a single row, and four lines of the other matrix, widened."""
    if node.inputs[0].type.dtype is DType.I16:
        return 0
    sizes = next(arg for arg in _qmatmul(node).args if isinstance(arg, tuple))
    lines, terms = min(sizes[0], _MOST_ROWS), sizes[2]
    return -(-terms // 4) * (-(-lines // 4) * 32 + 32)


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
    "qmatmul": Kernel(beside(__file__), _qmatmul, dtypes=DTYPES.values(), scratch=_scratch),
    "qmatmul_input_grad": Kernel(Path(__file__).with_name("operand_gradients.c"), _input_grad, dtypes=GRADIENTS),
}

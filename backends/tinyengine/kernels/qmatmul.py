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
from gradlet.ir.target import Target
from gradlet.ir.tensor_type import DType

_MOST_ROWS = 16


def _qmatmul(node: Node) -> Call:
    (y, *mask), (a, b), attrs = node.outputs, node.inputs, node.attrs
    *leading, rows, columns = y.type.shape
    batch = math.prod(leading)
    terms, single = depth(a.type, attrs), float(np.float32(factor(attrs)))
    # Elements from one row of a, or column of b, to the next, and from one index of the sum.
    a_steps = (1, a.type.shape[-1]) if attrs.get("transpose_a", False) else (a.type.shape[-1], 1)
    b_steps = (b.type.shape[-1], 1) if attrs.get("transpose_b", False) else (1, b.type.shape[-1])
    if len(b.type.shape) == 2 and not attrs.get("transpose_a", False):  # One taller product.
        batch, rows = 1, batch * rows
    first, second = (rows, a, *a_steps, attrs["x1_zero"]), (columns, b, *b_steps, attrs["x2_zero"])
    # A row of results is its own transpose as it lies, and the lines of the first matrix are taken four at a time.
    (m, a, *a_lines), (n, b, *b_lines) = (second, first) if rows == 1 else (first, second)
    operands = [y, mask[0] if mask else None, a, b, batch, _step(a), _step(b)]
    sizes = (m, n, terms, *a_lines, *b_lines)
    if y.type.dtype is DType.I16:
        return call("qmatmul_i16", *operands, sizes, single, *ends(attrs), SCRATCH)
    scale = single, *quantize_multiplier(factor(attrs)), ROUNDINGS.index(rounding(attrs))
    return call("qmatmul_i8", *operands, (*sizes, attrs["y_zero"]), *scale, SCRATCH)


def _scratch(node: Node) -> int:
    """Up to 16 rows of the first matrix and four columns of the second, widened; two columns of int16."""
    return _widened(_qmatmul(node), 2 if node.inputs[0].type.dtype is DType.I16 else 4)


def _widened(made: Call, columns: int) -> int:
    rows, _, terms, *_ = next(arg for arg in made.args if isinstance(arg, tuple))
    return -(-terms // 4) * (-(-min(rows, _MOST_ROWS) // 4) * 32 + columns * 8)


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


def _tiled_input_grad(node: Node) -> Call:
    found, attrs = operands_of(node, 1), node.attrs
    (x,), g = found.own, found.g
    own, other, summed = letters(attrs)
    # Of both axes of the result the operand that has it: how many, from one to the next, along the sum, zero point.
    a, b = (_lines(x, other, "k", attrs["zero_point"]) if c == "k" else _lines(g, "mn", c, 0) for c in own)
    (rows, first, *a_lines), (columns, second, *b_lines) = a, b
    terms = g.type.shape["mn".index(summed) - 2]
    operands = [node.outputs[0], found.range, first, second, found.unit, *constants(found)]
    batch = math.prod(g.type.shape[:-2]), _step(first), _step(second)
    sizes = (rows, columns, terms, *a_lines, *b_lines)
    return call("qmatmul_input_grad_i8", *operands, *batch, sizes, *formats(node, found), SCRATCH)


def _lines(x: Value, axes: str, line: str, zero: int) -> tuple[int, Value, int, int, int]:
    size, last = x.type.shape[axes.index(line) - 2], x.type.shape[-1]
    return (size, x, last, 1, zero) if axes[0] == line else (size, x, 1, last, zero)


def _fits_tiles(node: Node, target: Target) -> bool:
    """Sums within int32, of int8, of one matrix each."""
    found, shape = operands_of(node, 1), node.inputs[0].type.shape
    summed = shape["mn".index(letters(node.attrs)[2]) - 2]
    is_own = len(node.attrs["shape"]) == len(shape)
    return found.own[0].type.dtype is DType.I8 and is_own and summed * 127 * 255 < 2**31


def _gradient_scratch(node: Node) -> int:
    return _widened(_tiled_input_grad(node), 8)


_TILES_C = Path(__file__).with_name("qmatmul_gradients.c")
_OPERAND_C = Path(__file__).with_name("operand_gradients.c")

KERNELS = {
    "qmatmul": Kernel(beside(__file__), _qmatmul, dtypes=DTYPES.values(), scratch=_scratch),
    "qmatmul_input_grad": (
        Kernel(_TILES_C, _tiled_input_grad, "tiles", (DType.I8,), _fits_tiles, _gradient_scratch),
        Kernel(_OPERAND_C, _input_grad, dtypes=GRADIENTS),
    ),
}

"""Sums of products of integers: what quantised convolutions and matrix products share, forward and backward."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gradlet.backends.tvm.epilogue import Operand, finish, is_integer, operands_of
from gradlet.backends.tvm.exact import saturating_add
from gradlet.backends.tvm.expressions import result, total
from gradlet.backends.tvm.kernel import Case, Read, Result
from gradlet.backends.tvm.linear import FEW_ROWS, Product
from gradlet.backends.tvm.package import te, tirx
from gradlet.backends.tvm.requantize import clamped, scaled
from gradlet.backends.tvm.schedules import tile
from gradlet.ir.gradient_epilogue import LIMITS
from gradlet.ir.quantized_linear import parts

# Magnitudes: of activations one more than `LIMITS` has of gradients.
_LARGEST_WEIGHT, _LARGEST_INT16 = 128, 32768
_INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class Weight:
    """A weight, whatever it consists of.

    Attributes:
        read: It, with the indices of the whole.
        shape: Of the whole.
    """

    read: Read
    shape: tuple[int, ...]


def weight_of(operands: Sequence[Operand], axis: int) -> Weight:
    """The weight whose parts along `axis` these are; several are put together first."""
    shapes = [o.buffer.type.shape for o in operands]
    ends = [sum(s[axis] for s in shapes[: k + 1]) for k in range(len(shapes))]
    whole = (*shapes[0][:axis], ends[-1], *shapes[0][axis + 1 :])
    if len(operands) == 1:
        return Weight(operands[0], whole)

    def element(*i: Any) -> Any:
        found = None
        for operand, shape, end in list(zip(operands, shapes, ends, strict=True))[::-1]:
            own = operand(*i[:axis], i[axis] - (end - shape[axis]), *i[axis + 1 :])
            found = own if found is None else tirx.if_then_else(i[axis] < end, own, found)
        return found

    return Weight(te.compute(whole, element, name="joined"), whole)


def forward_weight(case: Case, reads: Sequence[Read], axis: int) -> Weight:
    """The weight of a forward op, which stands after x."""
    stop = parts(case.attrs) + 1
    return weight_of([Operand(b, r) for b, r in zip(case.operands[1:stop], reads[1:stop], strict=True)], axis)


def requantized(case: Case, reads: Sequence[Read], product: Product, extents: Sequence[int]) -> list[Result]:
    """The results of a forward op: sums of these products, plus bias, in the type of its activations."""
    bias, scale, *multiplier = reads[parts(case.attrs) + 1 :]
    wide = dtype_of(case, 0) == "int16"
    sums = _summed(case, product, extents, _sum_dtype(_LARGEST_INT16, math.prod(extents)) if wide else "int32")

    def rounded(*i: Any) -> Any:
        if wide:
            whole = sums(*i).astype("int64") + bias(i[-1]).astype("int64")
        else:
            whole = saturating_add(sums(*i), bias(i[-1]))
        return scaled(case, whole, i[-1], scale, multiplier)

    return clamped(case, rounded)


def schedule_requantized(schedule: Any, case: Case) -> None:
    """How the sums of `requantized` are computed: neighbours along the last axis together."""
    tile(schedule, "summed", "near" if case.attrs.get("mask") else "y0")


def widened(x: Any, gradient: str = "int8", zero: int = 0) -> Any:
    """An integer less its zero point, as it is multiplied with gradients of this element type, and with weights."""
    if gradient == "float32" and not zero:
        return x.astype("float32")
    less = x.astype("int32") - zero
    return less.astype("float32") if gradient == "float32" else less


def has_few_rows(case: Case) -> bool:
    """Whether laying the weights out anew for vectors of outputs takes longer than it saves."""
    return math.prod(case.result.shape[:-1]) < FEW_ROWS


def input_grad(
    case: Case, reads: Sequence[Read], axis: int, make: Callable[[Read, Weight], tuple[Product, Sequence[int]]]
) -> list[Result]:
    """The results of an input gradient.

    Args:
        axis: Along which parts of the weight lie.
        make: `(g, weight) -> (product, extents of the sum)`; g is read as numbers in which to multiply.
    """
    found = operands_of(case, reads, parts(case.attrs))
    product, extents = make(found.g.read, weight_of(found.own, axis))
    kind = found.g.buffer.type.dtype
    dtype = "float32" if kind.is_float else _sum_dtype(LIMITS[kind], math.prod(extents))
    return finish(case, found, _summed(case, product, extents, dtype))


def schedule_input_grad(schedule: Any, case: Case) -> None:
    tile(schedule, "summed", "" if is_integer(case) else "y0")


def _sum_dtype(largest: int, terms: int) -> str:
    """What holds the sum of so many products of an integer up to `largest` and a weight."""
    return "int32" if terms * largest * _LARGEST_WEIGHT <= _INT32_MAX else "int64"


def dtype_of(case: Case, operand: int) -> str:
    return case.operands[operand].type.dtype.value


def weight_grad(case: Case, product: Product, extents: Sequence[int]) -> list[Result]:
    """The weight gradient, of products that are given as int32 or float32."""
    if _is_rounded(case):
        sums = _summed(case, product, extents, "int64")
        return [result(case, lambda *i: sums(*i).astype("float32"))]
    dtype = case.result.dtype.value
    return [result(case, lambda *i: total(lambda *r: product(*i, *r).astype(dtype), extents))]


def schedule_weight_grad(schedule: Any, case: Case, vector: int = -1, row: int | None = -2) -> None:
    if _is_rounded(case):
        tile(schedule, "summed", "y0", vector, row)
    else:
        tile(schedule, "y0", "", vector, row)


def _is_rounded(case: Case) -> bool:
    """Whether a weight gradient is the sum of 64 bits that products of int16 have, in a float."""
    return case.result.dtype.is_float and dtype_of(case, 1) != "float32"


def _summed(case: Case, product: Product, extents: Sequence[int], dtype: str) -> Any:
    def element(*i: Any) -> Any:
        return total(lambda *r: product(*i, *r).astype(dtype), extents)

    return te.compute(case.result.shape, element, name="summed")

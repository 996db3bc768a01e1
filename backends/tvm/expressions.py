"""Pieces of tensor expressions that several kernels are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te, tirx
from gradlet.ir.activations import bounds
from gradlet.ir.graph import Attrs

# (attributes, element of each operand) -> element of the result
Scalar = Callable[..., Any]


def pointwise(scalar: Scalar) -> Kernel:
    """A kernel that computes each element from the elements of the operands at its place, with broadcasting."""

    def compute(case: Case, *reads: Read) -> list[Result]:
        attrs = case.attrs

        def element(*indices: Any) -> Any:
            return scalar(attrs, *(broadcast(r, case.shape(k), indices) for k, r in enumerate(reads)))

        return [result(case, element)]

    return Kernel(compute, flat=True)


def broadcast(read: Read, shape: Sequence[int], indices: Sequence[Any]) -> Any:
    """The element of an operand of this shape that numpy pairs with these indices of the result."""
    own = indices[len(indices) - len(shape) :]
    return read(*(0 if n == 1 else i for n, i in zip(shape, own, strict=True)))


def result(case: Case, element: Callable[..., Any], index: int = 0) -> Result:
    """Result `index`, from a function of its indices."""
    type_ = case.results[index].type
    return element if type_.dtype.bits == 1 else te.compute(type_.shape, element, name=f"y{index}")


def reduced(reducer: Callable[..., Any], element: Callable[..., Any], extents: Sequence[int]) -> Any:
    """`element` of the indices below `extents`, reduced over all of them."""
    axes = [te.reduce_axis((0, n), name=f"r{i}") for i, n in enumerate(extents)]
    return reducer(element(*axes), axis=axes) if axes else element()


def total(element: Callable[..., Any], extents: Sequence[int]) -> Any:
    return reduced(te.sum, element, extents)


def clamp(x: Any, low: float, high: float) -> Any:
    """As numpy's clip; comparisons this way round keep NaN."""
    x = x if low == -math.inf else select(x < low, low, x)
    return x if high == math.inf else select(x > high, high, x)


def select(condition: Any, chosen: Any, otherwise: Any) -> Any:
    """One of two elements, or an element and a number, which takes its type."""
    dtype = next(_dtype(x) for x in (chosen, otherwise) if not isinstance(x, (int, float)))
    typed = [tirx.const(x, dtype) if isinstance(x, (int, float)) else _computed(x, dtype) for x in (chosen, otherwise)]
    return tirx.Select(condition, *typed)


def _computed(x: Any, dtype: str) -> Any:
    """x * 1 + 0: the same number, but computed.

    LLVM turns `x[i] = c ? x[i] : 0` into stores under a mask, which some processors do ten times slower.
    """
    if dtype != "float32":
        return x
    return tirx.call_llvm_pure_intrin(dtype, "llvm.fmuladd", x, tirx.const(1.0, dtype), tirx.const(0.0, dtype))


def _dtype(x: Any) -> str:
    return str(x.dtype if isinstance(x, te.TensorSlice) else x.ty)


def activated(x: Any, attrs: Attrs) -> Any:
    """The attribute `activation` of linear ops."""
    return clamp(x, *bounds(attrs))


def between(x: Any, low: float, high: float) -> Any:
    """Whether low < x < high."""
    above = tirx.const(True, "bool") if low == -math.inf else x > low
    return above if high == math.inf else tirx.all(above, x < high)


def c_function(name: str, x: Any) -> Any:
    """A function of the C library: near zero more exact than what TVM would put in its place."""
    return tirx.call_pure_extern("float32", name, x)


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)); exp is taken of negative numbers only, which cannot overflow."""
    e = te.exp(-te.abs(x))
    return tirx.Select(x >= 0, 1 / (1 + e), e / (1 + e))

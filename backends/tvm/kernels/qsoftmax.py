"""qsoftmax and its gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradlet.backends.tvm.epilogue import finish, operands_of
from gradlet.backends.tvm.exact import product, real
from gradlet.backends.tvm.expressions import result, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te, tirx
from gradlet.backends.tvm.tables import constant_array
from gradlet.ir.fixed_point import SUM_BITS, exponentials
from gradlet.ir.ops.qsoftmax import ONE, factor
from gradlet.ir.requantize import HIGHEST, LOWEST


def _wide(x: int) -> Any:
    return tirx.const(x, "int64")


def _high_product(a: Any, b: Any) -> Any:
    return tirx.shift_right(a * b + _wide(1 << 30), _wide(31))


def _saturated(x: Any) -> Any:
    return tirx.max(tirx.min(x, _wide(2**31 - 1)), _wide(-(2**31)))


def _qsoftmax(case: Case, x: Read) -> Sequence[Result]:
    (*rows, n) = case.shape(0)
    table = constant_array(exponentials(factor(case.attrs)).astype(np.int32), "exponentials")

    def stage(element: Callable[..., Any], name: str) -> Any:
        return te.compute(rows, element, name=name)

    k = te.reduce_axis((0, n), name="k")
    largest = stage(lambda *r: te.max(x(*r, k).astype("int32"), axis=k), "largest")

    def exponential(*i: Any) -> Any:
        return table(largest(*i[:-1]) - x(*i).astype("int32")).astype("int64")

    summed = stage(lambda *r: total(lambda j: _rounded(exponential(*r, j), SUM_BITS), [n]), "summed")
    zeros = stage(lambda *r: tirx.clz(summed(*r).astype("int32")).astype("int64"), "zeros")
    half = stage(lambda *r: tirx.shift_right(tirx.shift_left(summed(*r), zeros(*r)), _wide(1)), "half")
    y = stage(lambda *r: _high_product(half(*r), _wide(-1010580540)) + _wide(1515870810), "start")
    for step in range(3):
        y = stage(_newton(y, half), f"newton{step}")

    def element(*i: Any) -> Any:
        *r, _ = i
        p = _high_product(_saturated(y(*r) * _wide(2)), exponential(*i))
        whole = _rounded(p, _wide(SUM_BITS + 23) - zeros(*r))
        return (tirx.min(whole, _wide(HIGHEST - LOWEST)) + _wide(LOWEST)).astype("int8")

    return [result(case, element)]


def _newton(y: Any, half: Any) -> Callable[..., Any]:
    def step(*r: Any) -> Any:
        rest = _wide(1 << 29) - _high_product(half(*r), y(*r))
        return y(*r) + _saturated(_high_product(y(*r), rest) * _wide(4))

    return step


def _rounded(x: Any, bits: Any) -> Any:
    """x / 2^bits of x not below 0."""
    bits = _wide(bits) if isinstance(bits, int) else bits
    return tirx.shift_right(x + tirx.shift_left(_wide(1), bits - _wide(1)), bits)


def _input_grad(case: Case, *reads: Read) -> Sequence[Result]:
    found = operands_of(case, reads, 1)
    (*rows, n), (y,), g = case.result.shape, found.own, found.g
    kind = "float32" if found.unit is None else "int64"
    times = product if found.unit is None else lambda a, b: a * b

    def p(*i: Any) -> Any:
        return (y(*i).astype("int32") - LOWEST).astype(kind)

    dot = te.compute(rows, lambda *r: total(lambda j: times(g(*r, j).astype(kind), p(*r, j)), [n]), name="dot")

    def sums(*i: Any) -> Any:
        if found.unit is None:
            return product(p(*i), g(*i) - product(dot(*i[:-1]), real(1 / ONE)))
        exact = p(*i) * (g(*i).astype(kind) * _wide(ONE) - dot(*i[:-1]))
        return product(exact.astype("float32"), real(1 / ONE))

    return finish(case, found, sums)


KERNELS = {"qsoftmax": Kernel(_qsoftmax), "qsoftmax_input_grad": Kernel(_input_grad)}

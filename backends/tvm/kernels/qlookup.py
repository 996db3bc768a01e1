"""qlookup and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.epilogue import finish, operands_of
from gradlet.backends.tvm.exact import product
from gradlet.backends.tvm.expressions import result
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import tirx
from gradlet.backends.tvm.tables import constant_array
from gradlet.ir import interpolated
from gradlet.ir.graph import Attrs
from gradlet.ir.int8_functions import slope_table, table
from gradlet.ir.interpolated import STEP_BITS
from gradlet.ir.requantize import LOWEST, dtype_of
from gradlet.ir.tensor_type import DType


def _index(x: Any) -> Any:
    return x.astype("int32") - LOWEST


def _place(x: Any) -> tuple[Any, Any]:
    """(the index of the entry at or before an int16, how far behind it x is)."""
    above = x.astype("int32") + 2**15
    return above >> STEP_BITS, tirx.bitwise_and(above, (1 << STEP_BITS) - 1)


def _qlookup(case: Case, x: Read) -> Sequence[Result]:
    if case.result.dtype is DType.I16:
        return [result(case, _interpolated(case.attrs, x))]
    results = constant_array(table(case.attrs), "table")
    return [result(case, lambda *i: results(_index(x(*i))))]


def _interpolated(attrs: Attrs, x: Read) -> Read:
    entries, half = constant_array(interpolated.table(attrs), "table"), 1 << (STEP_BITS - 1)

    def element(*i: Any) -> Any:
        at, behind = _place(x(*i))
        first, second = (entries(at + k).astype("int32") for k in (0, 1))
        return (first + (((second - first) * behind + half) >> STEP_BITS)).astype("int16")

    return element


def _input_grad(case: Case, *reads: Read) -> Sequence[Result]:
    found = operands_of(case, reads, 1)
    (x,), wide = found.own, dtype_of(case.attrs) is DType.I16
    slopes = constant_array(interpolated.slope_table(case.attrs) if wide else slope_table(case.attrs), "slopes")

    def slope(*i: Any) -> Any:
        return slopes(_place(x(*i))[0] if wide else _index(x(*i)))

    return finish(case, found, lambda *i: product(found.g(*i).astype("float32"), slope(*i)))


KERNELS = {"qlookup": Kernel(_qlookup, flat=True), "qlookup_input_grad": Kernel(_input_grad)}

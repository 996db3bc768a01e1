"""qlookup and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.epilogue import finish, operands_of
from gradlet.backends.tvm.exact import product
from gradlet.backends.tvm.expressions import result
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.tables import constant_array
from gradlet.ir.int8_functions import slope_table, table
from gradlet.ir.requantize import LOWEST


def _index(x: Any) -> Any:
    return x.astype("int32") - LOWEST


def _qlookup(case: Case, x: Read) -> Sequence[Result]:
    results = constant_array(table(case.attrs), "table")
    return [result(case, lambda *i: results(_index(x(*i))))]


def _input_grad(case: Case, *reads: Read) -> Sequence[Result]:
    found = operands_of(case, reads, 1)
    (x,), slopes = found.own, constant_array(slope_table(case.attrs), "slopes")
    return finish(case, found, lambda *i: product(found.g(*i).astype("float32"), slopes(_index(x(*i)))))


KERNELS = {"qlookup": Kernel(_qlookup, flat=True), "qlookup_input_grad": Kernel(_input_grad)}

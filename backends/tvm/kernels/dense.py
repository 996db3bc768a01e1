"""dense and its weight gradient, and matmul."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.linear import FEW_ROWS, dots, schedule_dots, schedule_sums, sums
from gradlet.backends.tvm.package import te


def _dense(case: Case, x: Read, w: Read, *bias: Read) -> Sequence[Result]:
    outputs, inputs = case.shape(1)
    if _dense_is_dots(case):
        return [dots(case, lambda *i: x(*i[:-2], i[-1]) * w(*i[-2:]), [inputs], bias)]
    packed = te.compute((inputs, outputs), lambda k, o: w(o, k), name="packed")
    return [sums(case, lambda *i: x(*i[:-2], i[-1]) * packed(i[-1], i[-2]), [inputs], bias)]


def _dense_is_dots(case: Case) -> bool:
    return math.prod(case.result.shape[:-1]) < FEW_ROWS


def _schedule_dense(schedule: Any, case: Case) -> None:
    if _dense_is_dots(case):
        schedule_dots(schedule, case)
    else:
        schedule_sums(schedule, case)


def _dense_weight_grad(case: Case, g: Read, x: Read) -> Sequence[Result]:
    return [sums(case, lambda o, i, *n: g(*n, o) * x(*n, i), case.shape(0)[:-1])]


def _matmul(case: Case, a: Read, b: Read) -> Sequence[Result]:
    left = _transposed(a) if case.attrs.get("transpose_a", False) else a
    right = _transposed(b) if case.attrs.get("transpose_b", False) else b
    inner = case.shape(0)[-2 if case.attrs.get("transpose_a", False) else -1]
    if case.attrs.get("transpose_b", False) and not _matmul_is_dots(case):
        right = te.compute((*case.shape(1)[:-2], inner, case.result.shape[-1]), right, name="packed")

    def product(*i: Any) -> Any:
        *batch, row, column, k = i
        return left(*batch[: len(case.shape(0)) - 2], row, k) * right(*batch[: len(case.shape(1)) - 2], k, column)

    return [(dots if _matmul_is_dots(case) else sums)(case, product, [inner])]


def _transposed(read: Read) -> Read:
    return lambda *i: read(*i[:-2], i[-1], i[-2])


def _matmul_is_dots(case: Case) -> bool:
    return case.attrs.get("transpose_b", False) and case.result.shape[-2] < FEW_ROWS


def _schedule_matmul(schedule: Any, case: Case) -> None:
    if _matmul_is_dots(case):
        schedule_dots(schedule, case)
    else:
        schedule_sums(schedule, case)


KERNELS = {
    "dense": Kernel(_dense, _schedule_dense),
    "dense_weight_grad": Kernel(_dense_weight_grad, schedule_sums),
    "matmul": Kernel(_matmul, _schedule_matmul),
}

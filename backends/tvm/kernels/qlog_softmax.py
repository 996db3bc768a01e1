"""qlog_softmax and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlet.backends.tvm.epilogue import finish, operands_of
from gradlet.backends.tvm.exact import product
from gradlet.backends.tvm.expressions import result, total
from gradlet.backends.tvm.fixed_point import SoftmaxRows, divided, wide
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te, tirx
from gradlet.backends.tvm.tables import constant_array
from gradlet.ir.fixed_point import differences, exponentials
from gradlet.ir.ops.qlog_softmax import BITS, shares
from gradlet.ir.requantize import HIGHEST, LOWEST


def _qlog_softmax(case: Case, x: Read) -> Sequence[Result]:
    scale = case.attrs["x_scale"]
    rows = SoftmaxRows(case, x, exponentials(scale))
    below, log_sum = constant_array(differences(scale).astype(np.int32), "differences"), rows.logarithm()

    def element(*i: Any) -> Any:
        q = divided(below(rows.below(*i)).astype("int64") - log_sum(*i[:-1]), BITS)
        return (tirx.max(tirx.min(q, wide(0)), wide(LOWEST - HIGHEST)) + wide(HIGHEST)).astype("int8")

    return [result(case, element)]


def _input_grad(case: Case, *reads: Read) -> Sequence[Result]:
    found = operands_of(case, reads, 1)
    (*rows, n), (y,), kind = case.result.shape, found.own, "float32" if found.unit is None else "int64"
    table = constant_array(shares(), "shares")

    def g(*i: Any) -> Any:
        return tirx.Select(y(*i) > LOWEST, found.g(*i).astype(kind), tirx.const(0, kind))

    summed = te.compute(rows, lambda *r: total(lambda j: g(*r, j), [n]), name="summed")

    def sums(*i: Any) -> Any:
        p = table(y(*i).astype("int32") - LOWEST)
        return g(*i).astype("float32") - product(p, summed(*i[:-1]).astype("float32"))

    return finish(case, found, sums)


KERNELS = {"qlog_softmax": Kernel(_qlog_softmax), "qlog_softmax_input_grad": Kernel(_input_grad)}

"""argmax along one axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.expressions import reduced, result
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te, tirx
from gradlet.ir.axes import axis_of


def _argmax(case: Case, x: Read) -> Sequence[Result]:
    """The smallest index whose element is the maximum."""
    axis = axis_of(case.attrs, len(case.shape(0)))
    size = case.shape(0)[axis]

    def along(i: Sequence[Any], k: Any) -> Any:
        return x(*i[:axis], k, *i[axis:])

    best = te.compute(case.result.shape, lambda *i: reduced(te.max, lambda k: along(i, k), [size]), name="best")

    def index(i: Sequence[Any], k: Any) -> Any:
        return tirx.Select(along(i, k) == best(*i), k.astype("int32"), tirx.const(size, "int32"))

    return [result(case, lambda *i: reduced(te.min, lambda k: index(i, k), [size]))]


KERNELS = {"argmax": Kernel(_argmax)}

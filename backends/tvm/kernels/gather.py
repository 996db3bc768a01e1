"""gather, and the sums of its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.expressions import result, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import tirx
from gradlet.ir.axes import axis_of


def _nearest(index: Any, size: int) -> Any:
    """The nearest of the indices 0 to size - 1; negative ones count from the end."""
    counted = tirx.Select(index < 0, index + size, index)
    return tirx.max(tirx.min(counted, size - 1), 0)


def _gather(case: Case, x: Read, indices: Read) -> Sequence[Result]:
    shape, rank = case.shape(0), len(case.shape(1))
    axis = axis_of(case.attrs, len(shape))

    def element(*i: Any) -> Any:
        return x(*i[:axis], _nearest(indices(*i[axis : axis + rank]), shape[axis]), *i[axis + rank :])

    return [result(case, element)]


def _gather_grad(case: Case, g: Read, indices: Read) -> Sequence[Result]:
    """Every result looks through all indices for its own: their number times the work of the C kernel."""
    axis, size = case.attrs["axis"], case.attrs["size"]

    def element(*i: Any) -> Any:
        def passed(*k: Any) -> Any:
            here = _nearest(indices(*k), size) == i[axis]
            return tirx.Select(here, g(*i[:axis], *k, *i[axis + 1 :]), tirx.const(0.0, "float32"))

        return total(passed, case.shape(1))

    return [result(case, element)]


KERNELS = {"gather": Kernel(_gather), "gather_grad": Kernel(_gather_grad)}

"""dense and its weight gradient, and matmul."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.expressions import activated, result, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te


def finished(case: Case, summed: Any, bias: Sequence[Read]) -> Result:
    """The products summed up, with bias and activation."""
    if not bias and case.attrs.get("activation", "none") == "none":
        return summed

    def element(*i: Any) -> Any:
        return activated(summed(*i) + bias[0](i[-1]) if bias else summed(*i), case.attrs)

    return result(case, element)


def _dense(case: Case, x: Read, w: Read, *bias: Read) -> Sequence[Result]:
    summed = te.compute(
        case.result.shape,
        lambda *i: total(lambda k: x(*i[:-1], k) * w(i[-1], k), case.shape(1)[1:]),
        name="summed",
    )
    return [finished(case, summed, bias)]


def _dense_weight_grad(case: Case, g: Read, x: Read) -> Sequence[Result]:
    leading = case.shape(0)[:-1]
    return [result(case, lambda o, i: total(lambda *n: g(*n, o) * x(*n, i), leading))]


def _matmul(case: Case, a: Read, b: Read) -> Sequence[Result]:
    transpose_a, transpose_b = (case.attrs.get(f"transpose_{x}", False) for x in "ab")
    inner = case.shape(0)[-2 if transpose_a else -1]

    def element(*i: Any) -> Any:
        *batch, row, column = i

        def product(k: Any) -> Any:
            left = (*batch[: len(case.shape(0)) - 2], *((k, row) if transpose_a else (row, k)))
            right = (*batch[: len(case.shape(1)) - 2], *((column, k) if transpose_b else (k, column)))
            return a(*left) * b(*right)

        return total(product, [inner])

    return [result(case, element)]


KERNELS = {
    "dense": Kernel(_dense),
    "dense_weight_grad": Kernel(_dense_weight_grad),
    "matmul": Kernel(_matmul),
}

"""qdense, and its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.integer_sums import (
    Weight,
    dtype_of,
    forward_weight,
    has_few_rows,
    input_grad,
    requantized,
    schedule_input_grad,
    schedule_requantized,
    schedule_weight_grad,
    weight_grad,
    widened,
)
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.linear import Product
from gradlet.backends.tvm.package import te

# Inputs, along which parts of a weight lie.
_AXIS = 1


def _qdense(case: Case, *reads: Read) -> Sequence[Result]:
    weight, zero = forward_weight(case, reads, _AXIS), case.attrs["x_zero"]
    x, (outputs, inputs) = reads[0], weight.shape
    if not has_few_rows(case):
        packed = te.compute((inputs, outputs), lambda k, o: weight.read(o, k), name="packed")

    def product(n: Any, o: Any, k: Any) -> Any:
        w = weight.read(o, k) if has_few_rows(case) else packed(k, o)
        return widened(x(n, k), zero=zero) * widened(w)

    return requantized(case, reads, product, [inputs])


def _schedule(schedule: Any, case: Case) -> None:
    # Where rows are few, LLVM makes vectors of neighbours in the sum.
    if not has_few_rows(case):
        schedule_requantized(schedule, case)


def _input_grad(case: Case, *reads: Read) -> Sequence[Result]:
    def make(g: Read, weight: Weight) -> tuple[Product, Sequence[int]]:
        dtype = dtype_of(case, 0)

        def product(n: Any, k: Any, o: Any) -> Any:
            return widened(g(n, o), dtype) * widened(weight.read(o, k), dtype)

        return product, [weight.shape[0]]

    return input_grad(case, reads, _AXIS, make)


def _weight_grad(case: Case, x: Read, g: Read) -> Sequence[Result]:
    zero, dtype = case.attrs["x_zero"], dtype_of(case, 1)

    def product(o: Any, k: Any, n: Any) -> Any:
        return widened(x(n, k), dtype, zero) * widened(g(n, o), dtype)

    return weight_grad(case, product, case.shape(0)[:1])


KERNELS = {
    "qdense": Kernel(_qdense, _schedule, unused=("y_scale",)),
    "qdense_input_grad": Kernel(_input_grad, schedule_input_grad),
    "qdense_weight_grad": Kernel(_weight_grad, schedule_weight_grad),
}

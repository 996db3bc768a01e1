"""qconv2d with OHWI weights, and its gradients."""

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
from gradlet.backends.tvm.schedules import lanes
from gradlet.backends.tvm.windows import padded, spread, spread_tap, tap
from gradlet.ir.windows import Window

# Input channels, along which parts of a weight lie.
_AXIS = 3


def _groups(case: Case) -> int:
    return case.attrs.get("groups", 1)


def _in_one_group(case: Case, channels: int) -> bool:
    """Whether no vector of neighbouring channels reaches into another group."""
    return _groups(case) == 1 or channels // _groups(case) % lanes(channels) == 0


def _qconv2d(case: Case, *reads: Read) -> Sequence[Result]:
    weight = forward_weight(case, reads, _AXIS)
    outputs, *kernel, channels = weight.shape
    window, zero = Window.of(case.attrs, kernel), case.attrs["x_zero"]
    image = padded(reads[0], case.shape(0), window, zero, dtype_of(case, 0))
    if not has_few_rows(case):
        packed = te.compute((*kernel, channels, outputs), lambda i, j, c, o: weight.read(o, i, j, c), name="packed")

    def product(n: Any, row: Any, column: Any, o: Any, i: Any, j: Any, c: Any) -> Any:
        group = o // (outputs // _groups(case))
        w = weight.read(o, i, j, c) if has_few_rows(case) else packed(i, j, c, o)
        return widened(image(n, *tap(window, row, column, i, j), group * channels + c), zero=zero) * widened(w)

    return requantized(case, reads, product, [*kernel, channels])


def _schedule(schedule: Any, case: Case) -> None:
    # Where rows are few, LLVM makes vectors of neighbours in the sum.
    if not has_few_rows(case) and _in_one_group(case, case.result.shape[3]):
        schedule_requantized(schedule, case)


def _input_grad(case: Case, *reads: Read) -> Sequence[Result]:
    def make(g: Read, weight: Weight) -> tuple[Product, Sequence[int]]:
        outputs, *kernel, channels = weight.shape
        window, dtype = Window.of(case.attrs, kernel), dtype_of(case, 0)
        gradient = spread(g, case.shape(0), window, case.result.shape, dtype)
        per_group = outputs // _groups(case)

        def product(n: Any, h: Any, column: Any, c: Any, i: Any, j: Any, k: Any) -> Any:
            o = c // channels * per_group + k
            place = spread_tap(window, h, column, i, j)
            return widened(gradient(n, *place, o), dtype) * widened(weight.read(o, i, j, c % channels), dtype)

        return product, [*kernel, per_group]

    return input_grad(case, reads, _AXIS, make)


def _schedule_input_grad(schedule: Any, case: Case) -> None:
    if _in_one_group(case, case.result.shape[3]):
        schedule_input_grad(schedule, case)


def _weight_grad(case: Case, x: Read, g: Read) -> Sequence[Result]:
    window, zero, dtype = Window.of(case.attrs), case.attrs["x_zero"], dtype_of(case, 1)
    image = padded(x, case.shape(0), window, zero, dtype_of(case, 0))
    outputs, *_, channels = case.result.shape

    def product(o: Any, i: Any, j: Any, c: Any, n: Any, row: Any, column: Any) -> Any:
        group = o // (outputs // _groups(case))
        seen = widened(image(n, *tap(window, row, column, i, j), group * channels + c), dtype, zero)
        return seen * widened(g(n, row, column, o), dtype)

    return weight_grad(case, product, case.shape(1)[:3])


def _schedule_weight_grad(schedule: Any, case: Case) -> None:
    """Vectors of input channels, or of output channels where these fill them better."""
    outputs, *_, channels = case.result.shape
    if lanes(outputs) > lanes(channels) and _in_one_group(case, outputs):
        schedule_weight_grad(schedule, case, vector=0, row=-1)
    else:
        schedule_weight_grad(schedule, case, vector=-1, row=0)


KERNELS = {
    "qconv2d": Kernel(_qconv2d, _schedule, unused=("y_scale",)),
    "qconv2d_input_grad": Kernel(_input_grad, _schedule_input_grad),
    "qconv2d_weight_grad": Kernel(_weight_grad, _schedule_weight_grad),
}

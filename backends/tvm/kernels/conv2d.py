"""conv2d with OHWI weights, and its gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.linear import FEW_ROWS, dots, schedule_dots, schedule_sums, sums
from gradlet.backends.tvm.package import te
from gradlet.backends.tvm.schedules import lanes
from gradlet.backends.tvm.windows import padded, spread, spread_tap, tap
from gradlet.ir.windows import Window


def _groups(case: Case) -> int:
    return case.attrs.get("groups", 1)


def _in_one_group(case: Case, channels: int) -> bool:
    """Whether no vector of neighbouring channels reaches into another group."""
    return _groups(case) == 1 or channels // _groups(case) % lanes(channels) == 0


def _conv2d(case: Case, x: Read, w: Read, *bias: Read) -> Sequence[Result]:
    outputs, *kernel, channels = case.shape(1)
    window = Window.of(case.attrs, kernel)
    image = padded(x, case.shape(0), window)
    if not _is_dots(case):
        packed = te.compute((*kernel, channels, outputs), lambda i, j, c, o: w(o, i, j, c), name="packed")

    def product(n: Any, row: Any, column: Any, o: Any, i: Any, j: Any, c: Any) -> Any:
        group = o // (outputs // _groups(case))
        weight = w(o, i, j, c) if _is_dots(case) else packed(i, j, c, o)
        return image(n, *tap(window, row, column, i, j), group * channels + c) * weight

    return [(dots if _is_dots(case) else sums)(case, product, [*kernel, channels], bias)]


def _is_dots(case: Case) -> bool:
    return math.prod(case.result.shape[:3]) < FEW_ROWS


def _schedule(schedule: Any, case: Case) -> None:
    if _is_dots(case):
        schedule_dots(schedule, case)
    elif _in_one_group(case, case.result.shape[3]):
        schedule_sums(schedule, case)


def _input_grad(case: Case, g: Read, w: Read) -> Sequence[Result]:
    outputs, *kernel, channels = case.shape(1)
    window = Window.of(case.attrs, kernel)
    gradient = spread(g, case.shape(0), window, case.result.shape)
    per_group = outputs // _groups(case)

    def product(n: Any, h: Any, column: Any, c: Any, i: Any, j: Any, k: Any) -> Any:
        o = c // channels * per_group + k
        return gradient(n, *spread_tap(window, h, column, i, j), o) * w(o, i, j, c % channels)

    return [sums(case, product, [*kernel, per_group])]


def _schedule_input_grad(schedule: Any, case: Case) -> None:
    if _in_one_group(case, case.result.shape[3]):
        schedule_sums(schedule, case)


def _weight_grad(case: Case, x: Read, g: Read) -> Sequence[Result]:
    window = Window.of(case.attrs)
    image = padded(x, case.shape(0), window)
    outputs, *_, channels = case.result.shape

    def product(o: Any, i: Any, j: Any, c: Any, n: Any, row: Any, column: Any) -> Any:
        group = o // (outputs // _groups(case))
        return image(n, *tap(window, row, column, i, j), group * channels + c) * g(n, row, column, o)

    return [sums(case, product, case.shape(1)[:3])]


def _schedule_weight_grad(schedule: Any, case: Case) -> None:
    """Vectors of input channels, or of output channels where these fill them better."""
    outputs, *_, channels = case.result.shape
    if lanes(outputs) > lanes(channels) and _in_one_group(case, outputs):
        schedule_sums(schedule, case, vector=0, row=-1)
    else:
        schedule_sums(schedule, case, vector=-1, row=0)


KERNELS = {
    "conv2d": Kernel(_conv2d, _schedule),
    "conv2d_input_grad": Kernel(_input_grad, _schedule_input_grad),
    "conv2d_weight_grad": Kernel(_weight_grad, _schedule_weight_grad),
}

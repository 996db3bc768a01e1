"""depthwise_conv2d with HWC weights, and its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.linear import schedule_sums, sums
from gradlet.backends.tvm.windows import padded, spread, spread_tap, tap
from gradlet.ir.windows import Window


def _depthwise(case: Case, x: Read, w: Read, *bias: Read) -> Sequence[Result]:
    *kernel, outputs = case.shape(1)
    window = Window.of(case.attrs, kernel)
    image = padded(x, case.shape(0), window)
    multiple = outputs // case.shape(0)[3]

    def product(n: Any, row: Any, column: Any, o: Any, i: Any, j: Any) -> Any:
        return image(n, *tap(window, row, column, i, j), o // multiple) * w(i, j, o)

    return [sums(case, product, kernel, bias)]


def _input_grad(case: Case, g: Read, w: Read) -> Sequence[Result]:
    *kernel, outputs = case.shape(1)
    window = Window.of(case.attrs, kernel)
    gradient = spread(g, case.shape(0), window, case.result.shape)
    multiple = outputs // case.result.shape[3]

    def product(n: Any, h: Any, column: Any, c: Any, i: Any, j: Any, k: Any) -> Any:
        o = c * multiple + k
        return gradient(n, *spread_tap(window, h, column, i, j), o) * w(i, j, o)

    return [sums(case, product, [*kernel, multiple])]


def _weight_grad(case: Case, x: Read, g: Read) -> Sequence[Result]:
    window = Window.of(case.attrs)
    image = padded(x, case.shape(0), window)
    multiple = case.result.shape[2] // case.shape(0)[3]

    def product(i: Any, j: Any, o: Any, n: Any, row: Any, column: Any) -> Any:
        return image(n, *tap(window, row, column, i, j), o // multiple) * g(n, row, column, o)

    return [sums(case, product, case.shape(1)[:3])]


KERNELS = {
    "depthwise_conv2d": Kernel(_depthwise, schedule_sums),
    "depthwise_conv2d_input_grad": Kernel(_input_grad, schedule_sums),
    "depthwise_conv2d_weight_grad": Kernel(_weight_grad, schedule_sums),
}

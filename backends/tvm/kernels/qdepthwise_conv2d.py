"""qdepthwise_conv2d with HWC weights, and its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.integer_sums import (
    Weight,
    dtype_of,
    forward_weight,
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
from gradlet.backends.tvm.windows import padded, spread, spread_tap, tap
from gradlet.ir.windows import Window

# Channels, along which parts of a weight lie.
_AXIS = 2


def _qdepthwise(case: Case, *reads: Read) -> Sequence[Result]:
    weight = forward_weight(case, reads, _AXIS)
    *kernel, outputs = weight.shape
    window, zero = Window.of(case.attrs, kernel), case.attrs["x_zero"]
    image = padded(reads[0], case.shape(0), window, zero, dtype_of(case, 0))
    multiple = outputs // case.shape(0)[3]

    def product(n: Any, row: Any, column: Any, o: Any, i: Any, j: Any) -> Any:
        seen = image(n, *tap(window, row, column, i, j), o // multiple)
        return widened(seen, zero=zero) * widened(weight.read(i, j, o))

    return requantized(case, reads, product, kernel)


def _input_grad(case: Case, *reads: Read) -> Sequence[Result]:
    def make(g: Read, weight: Weight) -> tuple[Product, Sequence[int]]:
        *kernel, outputs = weight.shape
        window, dtype = Window.of(case.attrs, kernel), dtype_of(case, 0)
        gradient = spread(g, case.shape(0), window, case.result.shape, dtype)
        multiple = outputs // case.result.shape[3]

        def product(n: Any, h: Any, column: Any, c: Any, i: Any, j: Any, k: Any) -> Any:
            o = c * multiple + k
            place = spread_tap(window, h, column, i, j)
            return widened(gradient(n, *place, o), dtype) * widened(weight.read(i, j, o), dtype)

        return product, [*kernel, multiple]

    return input_grad(case, reads, _AXIS, make)


def _weight_grad(case: Case, x: Read, g: Read) -> Sequence[Result]:
    window, zero, dtype = Window.of(case.attrs), case.attrs["x_zero"], dtype_of(case, 1)
    image = padded(x, case.shape(0), window, zero, dtype_of(case, 0))
    multiple = case.result.shape[2] // case.shape(0)[3]

    def product(i: Any, j: Any, o: Any, n: Any, row: Any, column: Any) -> Any:
        seen = image(n, *tap(window, row, column, i, j), o // multiple)
        return widened(seen, dtype, zero) * widened(g(n, row, column, o), dtype)

    return weight_grad(case, product, case.shape(1)[:3])


KERNELS = {
    "qdepthwise_conv2d": Kernel(_qdepthwise, schedule_requantized, unused=("y_scale",)),
    "qdepthwise_conv2d_input_grad": Kernel(_input_grad, schedule_input_grad),
    "qdepthwise_conv2d_weight_grad": Kernel(_weight_grad, schedule_weight_grad),
}

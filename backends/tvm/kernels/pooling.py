"""max_pool2d and avg_pool2d, and their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.exact import product, real
from gradlet.backends.tvm.expressions import result, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te, tirx
from gradlet.backends.tvm.windows import back, padded, tap, taps_inside
from gradlet.ir.tensor_type import DType, TensorType
from gradlet.ir.windows import Window

_WIDER = {DType.I8: DType.I16, DType.I16: DType.I32}


def _never_largest(x: Read, image: TensorType, window: Window) -> Read:
    """The image with padding that wins nowhere."""
    dtype = image.dtype.value
    return padded(x, image.shape, window, tirx.min_value(dtype).value, dtype)


def _max_pool(case: Case, x: Read) -> Sequence[Result]:
    window = Window.of(case.attrs)
    image = _never_largest(x, case.operands[0].type, window)

    def element(n: Any, row: Any, column: Any, c: Any) -> Any:
        axes = [te.reduce_axis((0, k), name=f"k{a}") for a, k in enumerate(window.kernel)]
        return te.max(image(n, *tap(window, row, column, *axes), c), axis=axes)

    return [result(case, element)]


def _first_maximum(case: Case, x: Read, window: Window) -> Any:
    """For each output the number of the tap that won; of equal ones the first."""
    type_ = case.operands[1].type
    if type_.dtype in _WIDER:  # the lowest integer may win, so padding is less than that
        wider = _WIDER[type_.dtype]

        def widened(*i: Any) -> Any:
            return x(*i).astype(wider.value)

        image = _never_largest(widened, TensorType(wider, type_.shape), window)
    else:
        image = _never_largest(x, type_, window)
    axes = [te.reduce_axis((0, k), name=f"k{a}") for a, k in enumerate(window.kernel)]
    best = te.comm_reducer(
        lambda a, b: (tirx.Select(a[1] >= b[1], a[0], b[0]), tirx.Select(a[1] >= b[1], a[1], b[1])),
        lambda index, value: (tirx.const(0, index), tirx.min_value(value)),
        name="best",
    )

    def element(n: Any, row: Any, column: Any, c: Any) -> Any:
        number = axes[0] * window.kernel[1] + axes[1]
        return best((number, image(n, *tap(window, row, column, *axes), c)), axis=axes)

    return te.compute(case.shape(0), element, name="winner")[0]


def _max_pool_grad(case: Case, g: Read, x: Read) -> Sequence[Result]:
    window, size = Window.of(case.attrs), case.shape(0)[1:3]
    winner = _first_maximum(case, x, window)

    def element(n: Any, h: Any, w: Any, c: Any) -> Any:
        def share(i: Any, j: Any) -> Any:
            row, column, exists = back(window, size, h, w, i, j)
            won = tirx.if_then_else(exists, winner(n, row, column, c), -1) == i * window.kernel[1] + j
            return tirx.if_then_else(won, g(n, row, column, c), tirx.const(0, case.result.dtype.value))

        return total(share, window.kernel)

    return [result(case, element)]


def _divisor(case: Case, window: Window, shape: Sequence[int], row: Any, column: Any) -> Any:
    """How many elements an average is over."""
    if case.attrs.get("count_include_pad", True) or not any(window.padding):
        return real(window.taps)
    return taps_inside(window, shape, row, column).astype("float32")


def _avg_pool(case: Case, x: Read) -> Sequence[Result]:
    window, shape = Window.of(case.attrs), case.shape(0)
    image = padded(x, shape, window)
    summed = te.compute(
        case.result.shape,
        lambda n, row, column, c: total(lambda i, j: image(n, *tap(window, row, column, i, j), c), window.kernel),
        name="summed",
    )
    return [
        result(case, lambda n, row, column, c: summed(n, row, column, c) / _divisor(case, window, shape, row, column))
    ]


def _avg_pool_grad(case: Case, g: Read) -> Sequence[Result]:
    window, shape = Window.of(case.attrs), case.attrs["input_shape"]
    size = case.shape(0)[1:3]

    def element(n: Any, h: Any, w: Any, c: Any) -> Any:
        def share(i: Any, j: Any) -> Any:
            row, column, exists = back(window, size, h, w, i, j)
            factor = real(1) / _divisor(case, window, shape, row, column)
            return tirx.if_then_else(exists, product(g(n, row, column, c), factor), 0.0)

        return total(share, window.kernel)

    return [result(case, element)]


KERNELS = {
    "max_pool2d": Kernel(_max_pool),
    "max_pool2d_grad": Kernel(_max_pool_grad),
    "avg_pool2d": Kernel(_avg_pool),
    "avg_pool2d_grad": Kernel(_avg_pool_grad),
}

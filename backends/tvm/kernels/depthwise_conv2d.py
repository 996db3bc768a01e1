"""depthwise_conv2d with HWC weights, and its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.expressions import result, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.kernels.dense import finished
from gradlet.backends.tvm.package import te, tirx
from gradlet.backends.tvm.windows import back, padded, tap
from gradlet.ir.windows import Window


def _depthwise(case: Case, x: Read, w: Read, *bias: Read) -> Sequence[Result]:
    *kernel, outputs = case.shape(1)
    window = Window.of(case.attrs, kernel)
    image = padded(x, case.shape(0), window)
    multiple = outputs // case.shape(0)[3]

    def element(n: Any, row: Any, column: Any, o: Any) -> Any:
        return total(lambda i, j: image(n, *tap(window, row, column, i, j), o // multiple) * w(i, j, o), kernel)

    return [finished(case, te.compute(case.result.shape, element, name="summed"), bias)]


def _input_grad(case: Case, g: Read, w: Read) -> Sequence[Result]:
    *kernel, outputs = case.shape(1)
    window, size = Window.of(case.attrs, kernel), case.shape(0)[1:3]
    multiple = outputs // case.result.shape[3]

    def element(n: Any, h: Any, column: Any, c: Any) -> Any:
        def product(i: Any, j: Any, *k: Any) -> Any:
            row_, column_, exists = back(window, size, h, column, i, j)
            o = c * multiple + k[0] if k else c
            return tirx.if_then_else(exists, g(n, row_, column_, o) * w(i, j, o), 0.0)

        return total(product, kernel if multiple == 1 else [*kernel, multiple])

    return [result(case, element)]


def _weight_grad(case: Case, x: Read, g: Read) -> Sequence[Result]:
    window = Window.of(case.attrs)
    image = padded(x, case.shape(0), window)
    multiple = case.result.shape[2] // case.shape(0)[3]

    def element(i: Any, j: Any, o: Any) -> Any:
        def product(n: Any, row: Any, column: Any) -> Any:
            return image(n, *tap(window, row, column, i, j), o // multiple) * g(n, row, column, o)

        return total(product, case.shape(1)[:3])

    return [result(case, element)]


KERNELS = {
    "depthwise_conv2d": Kernel(_depthwise),
    "depthwise_conv2d_input_grad": Kernel(_input_grad),
    "depthwise_conv2d_weight_grad": Kernel(_weight_grad),
}

"""conv2d with OHWI weights, and its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.expressions import result, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.kernels.dense import finished
from gradlet.backends.tvm.package import te, tirx
from gradlet.backends.tvm.windows import back, padded, tap
from gradlet.ir.windows import Window


def _conv2d(case: Case, x: Read, w: Read, *bias: Read) -> Sequence[Result]:
    outputs, *kernel, channels = case.shape(1)
    window = Window.of(case.attrs, kernel)
    image = padded(x, case.shape(0), window)
    per_group = outputs // case.attrs.get("groups", 1)

    def element(n: Any, row: Any, column: Any, o: Any) -> Any:
        def product(i: Any, j: Any, c: Any) -> Any:
            return image(n, *tap(window, row, column, i, j), o // per_group * channels + c) * w(o, i, j, c)

        return total(product, [*kernel, channels])

    return [finished(case, te.compute(case.result.shape, element, name="summed"), bias)]


def _input_grad(case: Case, g: Read, w: Read) -> Sequence[Result]:
    outputs, *kernel, channels = case.shape(1)
    window, size = Window.of(case.attrs, kernel), case.shape(0)[1:3]
    per_group = outputs // case.attrs.get("groups", 1)

    def element(n: Any, h: Any, column: Any, c: Any) -> Any:
        def product(i: Any, j: Any, k: Any) -> Any:
            row_, column_, exists = back(window, size, h, column, i, j)
            o = c // channels * per_group + k
            return tirx.if_then_else(exists, g(n, row_, column_, o) * w(o, i, j, c % channels), 0.0)

        return total(product, [*kernel, per_group])

    return [result(case, element)]


def _weight_grad(case: Case, x: Read, g: Read) -> Sequence[Result]:
    window = Window.of(case.attrs)
    image = padded(x, case.shape(0), window)
    outputs, *_, channels = case.result.shape
    per_group = outputs // case.attrs.get("groups", 1)

    def element(o: Any, i: Any, j: Any, c: Any) -> Any:
        def product(n: Any, row: Any, column: Any) -> Any:
            return image(n, *tap(window, row, column, i, j), o // per_group * channels + c) * g(n, row, column, o)

        return total(product, case.shape(1)[:3])

    return [result(case, element)]


KERNELS = {
    "conv2d": Kernel(_conv2d),
    "conv2d_input_grad": Kernel(_input_grad),
    "conv2d_weight_grad": Kernel(_weight_grad),
}

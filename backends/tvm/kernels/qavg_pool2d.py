"""qavg_pool2d: the mean of a window in double precision, which tells a half, rounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.exact import rounded_half_away
from gradlet.backends.tvm.expressions import result, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te, tirx
from gradlet.backends.tvm.windows import padded, tap, taps_inside
from gradlet.ir.requantize import rounding
from gradlet.ir.windows import Window


def _qavg_pool2d(case: Case, x: Read) -> Sequence[Result]:
    window, shape = Window.of(case.attrs), case.shape(0)
    dtype = case.result.dtype.value
    image = padded(x, shape, window, 0, dtype)
    nearest = tirx.nearbyint if rounding(case.attrs) == "float" else rounded_half_away

    def summed(n: Any, row: Any, column: Any, c: Any) -> Any:
        return total(lambda i, j: image(n, *tap(window, row, column, i, j), c).astype("int32"), window.kernel)

    sums = te.compute(case.result.shape, summed, name="summed")

    def element(n: Any, row: Any, column: Any, c: Any) -> Any:
        count = taps_inside(window, shape, row, column) if any(window.padding) else tirx.const(window.taps, "int32")
        return nearest(sums(n, row, column, c).astype("float64") / count.astype("float64")).astype(dtype)

    return [result(case, element)]


KERNELS = {"qavg_pool2d": Kernel(_qavg_pool2d)}

"""resize, nearest and bilinear, and the adjoint of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlet.backends.tvm.expressions import result, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te, tirx
from gradlet.ir.graph import Attrs


class _Axis:
    """One axis of a resized image: which inputs an output takes, and how much of each."""

    def __init__(self, inputs: int, outputs: int, attrs: Attrs):
        self.inputs, self.outputs = inputs, outputs
        self.nearest = attrs["mode"] == "nearest"
        self.aligned = attrs.get("align_corners", False)

    def neighbours(self, output: Any) -> list[tuple[Any, Any]]:
        """(index of an input, its weight), for each that the output takes from."""
        if self.nearest:
            return [(self._nearest(output), 1.0)]
        low, fraction = self._position(output)
        return [(low, 1 - fraction), (tirx.min(low + 1, self.inputs - 1), fraction)]

    def _nearest(self, output: Any) -> Any:
        # In float32 as PyTorch does it: the choice is part of the definition.
        scale = float(np.float32(self.inputs) / np.float32(self.outputs))
        return tirx.min(te.floor(output.astype("float32") * scale).astype("int32"), self.inputs - 1)

    def _position(self, output: Any) -> tuple[Any, Any]:
        """The input before an output, and how far the output lies behind it; exact, as a quotient of integers."""
        if self.aligned:
            numerator, denominator = output * (self.inputs - 1), max(self.outputs - 1, 1)
        else:
            numerator = tirx.max((2 * output + 1) * self.inputs - self.outputs, 0)
            denominator = 2 * self.outputs
        fraction = tirx.floormod(numerator, denominator).astype("float32") / float(denominator)
        return tirx.floordiv(numerator, denominator), fraction

    def weight(self, output: Any, index: Any) -> Any:
        """How much of the input at `index` an output takes."""
        parts = [tirx.Select(i == index, w, 0.0) for i, w in self.neighbours(output)]
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

    def gathered(self, element: Any, index: Any) -> Any:
        """The sum of `element(output)` over all outputs, weighted by what they took of the input at `index`."""
        return total(lambda o: element(o) * self.weight(o, index), [self.outputs])


def _axes(case: Case, inputs: Sequence[int], outputs: Sequence[int]) -> tuple[_Axis, _Axis]:
    return _Axis(inputs[1], outputs[1], case.attrs), _Axis(inputs[2], outputs[2], case.attrs)


def _resize(case: Case, x: Read) -> Sequence[Result]:
    rows, columns = _axes(case, case.shape(0), case.result.shape)

    def element(n: Any, h: Any, w: Any, c: Any) -> Any:
        taken = [x(n, i, j, c) * (p * q) for i, p in rows.neighbours(h) for j, q in columns.neighbours(w)]
        return sum(taken[1:], taken[0])

    return [result(case, element)]


def _resize_grad(case: Case, g: Read) -> Sequence[Result]:
    rows, columns = _axes(case, case.result.shape, case.shape(0))
    n, height, _, channels = case.result.shape
    narrow = te.compute(
        (n, height, case.shape(0)[2], channels),
        lambda n, h, w, c: rows.gathered(lambda row: g(n, row, w, c), h),
        name="narrow",
    )
    return [result(case, lambda n, h, w, c: columns.gathered(lambda column: narrow(n, h, column, c), w))]


KERNELS = {"resize": Kernel(_resize), "resize_grad": Kernel(_resize_grad)}

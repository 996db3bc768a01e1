"""resize, nearest and bilinear, and the adjoint of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.exact import product, real
from gradlet.backends.tvm.expressions import result, total
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.package import te, tirx
from gradlet.ir.graph import Attrs
from gradlet.ir.ops.resize import WEIGHT_BITS, corners_aligned, fixed_scale, half_pixels, nearest_scale
from gradlet.ir.tensor_type import DType


class _Axis:
    """One axis of a resized image: which inputs an output takes, and how much of each."""

    def __init__(self, inputs: int, outputs: int, attrs: Attrs):
        self.inputs, self.outputs, self.attrs = inputs, outputs, attrs
        self.aligned, self.centred = corners_aligned(attrs), half_pixels(attrs)

    def neighbours(self, output: Any) -> list[tuple[Any, Any]]:
        """(index of an input, its weight), for each that the output takes from."""
        if self.attrs["mode"] == "nearest":
            return [(self.nearest(output), 1.0)]
        low, fraction = self._position(output)
        return [(low, 1 - fraction), (tirx.min(low + 1, self.inputs - 1), fraction)]

    def nearest(self, output: Any) -> Any:
        """In float32 as PyTorch and TensorFlow Lite do it: the choice is part of the definition."""
        scale = real(nearest_scale(self.inputs, self.outputs, self.attrs))
        position = product(output.astype("float32") + real(0.5 * self.centred), scale)
        whole = te.floor(position)
        up = tirx.all(tirx.const(self.aligned, "bool"), position - whole >= real(0.5))
        return tirx.min(whole.astype("int32") + up.astype("int32"), self.inputs - 1)

    def _position(self, output: Any) -> tuple[Any, Any]:
        """The input before an output, and how far the output lies behind it; exact, as a quotient of integers."""
        if self.aligned:
            numerator, denominator = output * (self.inputs - 1), max(self.outputs - 1, 1)
        elif self.centred:
            numerator = tirx.max((2 * output + 1) * self.inputs - self.outputs, 0)
            denominator = 2 * self.outputs
        else:
            numerator, denominator = output * self.inputs, self.outputs
        fraction = tirx.floormod(numerator, denominator).astype("float32") / float(denominator)
        return tirx.floordiv(numerator, denominator), fraction

    def fixed_neighbours(self, output: Any) -> list[tuple[Any, Any]]:
        """As `neighbours`, with weights in integers."""
        one, scale = 1 << WEIGHT_BITS, fixed_scale(self.inputs, self.outputs, self.attrs)
        position = tirx.max(output * scale + (scale // 2 - one // 2 if self.centred else 0), 0)
        low = tirx.min(position >> WEIGHT_BITS, self.inputs - 1)
        weight = position - low * one
        return [(low, one - weight), (tirx.min(low + 1, self.inputs - 1), weight)]

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
    if case.attrs["mode"] == "nearest":
        return [result(case, lambda n, h, w, c: x(n, rows.nearest(h), columns.nearest(w), c))]
    if case.result.dtype.is_float:
        return [result(case, lambda *at: _bilinear(x, rows, columns, *at))]
    # A blend has 20 bits more than its elements.
    wide = "int32" if case.result.dtype is DType.I8 else "int64"
    return [result(case, lambda *at: _fixed_bilinear(x, rows, columns, wide, *at).astype(case.result.dtype.value))]


def _bilinear(x: Read, rows: _Axis, columns: _Axis, n: Any, h: Any, w: Any, c: Any) -> Any:
    taken = [x(n, i, j, c) * (p * q) for i, p in rows.neighbours(h) for j, q in columns.neighbours(w)]
    return sum(taken[1:], taken[0])


def _fixed_bilinear(x: Read, rows: _Axis, columns: _Axis, dtype: str, n: Any, h: Any, w: Any, c: Any) -> Any:
    neighbours = [(i, j, p * q) for i, p in rows.fixed_neighbours(h) for j, q in columns.fixed_neighbours(w)]
    taken = [x(n, i, j, c).astype(dtype) * weight.astype(dtype) for i, j, weight in neighbours]
    half = 1 << (2 * WEIGHT_BITS - 1)
    blended = sum(taken[1:], taken[0])
    # Half away from zero.
    return (blended + half - (blended < 0).astype(dtype)) >> 2 * WEIGHT_BITS


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

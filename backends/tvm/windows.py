"""A window that slides over an image, as expressions: what convolutions, poolings and their gradients read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.backends.tvm.kernel import Read
from gradlet.backends.tvm.package import te, tirx
from gradlet.ir.windows import Window


def padded(x: Read, shape: Sequence[int], window: Window, fill: float = 0.0, dtype: str = "float32") -> Read:
    """An image with its padding around it, written out unless there is none."""
    if not any(window.padding):
        return x
    top, left, bottom, right = window.padding
    n, height, width, channels = shape

    def element(b: Any, h: Any, w: Any, c: Any) -> Any:
        inside = tirx.all(h >= top, h < top + height, w >= left, w < left + width)
        return tirx.if_then_else(inside, x(b, h - top, w - left, c), tirx.const(fill, dtype))

    return te.compute((n, top + height + bottom, left + width + right, channels), element, name="padded")


def tap(window: Window, row: Any, column: Any, i: Any, j: Any) -> tuple[Any, Any]:
    """Where in the padded image tap (i, j) lies when the window makes the output (row, column)."""
    return (
        row * window.strides[0] + i * window.dilation[0],
        column * window.strides[1] + j * window.dilation[1],
    )


def taps_inside(window: Window, shape: Sequence[int], row: Any, column: Any) -> Any:
    """How many taps lie on the image, not on its padding, when the window makes the output (row, column)."""
    return _inside(window, 0, shape[1], row) * _inside(window, 1, shape[2], column)


def _inside(window: Window, axis: int, size: int, position: Any) -> Any:
    first = position * window.strides[axis] - window.padding[axis]
    taps = [first + k * window.dilation[axis] for k in range(window.kernel[axis])]
    return sum((tirx.all(t >= 0, t < size).astype("int32") for t in taps), tirx.const(0, "int32"))


def spread(g: Read, shape: Sequence[int], window: Window, image: Sequence[int], dtype: str = "float32") -> Read:
    """A gradient laid out over the image, with zeros between and around, so that `spread_tap` finds one everywhere."""
    if window.taps == 1 and set(window.strides) == {1} and not any(window.padding):
        return g
    n, *size, channels = shape
    reach = [(k - 1) * d for k, d in zip(window.kernel, window.dilation, strict=True)]

    def element(b: Any, h: Any, w: Any, c: Any) -> Any:
        row, row_exists = _back(h + window.padding[0] - reach[0], window.strides[0], size[0])
        column, column_exists = _back(w + window.padding[1] - reach[1], window.strides[1], size[1])
        return tirx.if_then_else(tirx.all(row_exists, column_exists), g(b, row, column, c), tirx.const(0, dtype))

    return te.compute((n, image[1] + reach[0], image[2] + reach[1], channels), element, name="spread")


def spread_tap(window: Window, h: Any, w: Any, i: Any, j: Any) -> tuple[Any, Any]:
    """Where in the spread gradient lies that of the output whose tap (i, j) is the element (h, w) of the image."""
    return h + (window.kernel[0] - 1 - i) * window.dilation[0], w + (window.kernel[1] - 1 - j) * window.dilation[1]


def back(window: Window, size: Sequence[int], h: Any, w: Any, i: Any, j: Any) -> tuple[Any, Any, Any]:
    """The output (row, column) whose tap (i, j) is the element (h, w) of the image, and whether there is one."""
    row, row_exists = _back(h + window.padding[0] - i * window.dilation[0], window.strides[0], size[0])
    column, column_exists = _back(w + window.padding[1] - j * window.dilation[1], window.strides[1], size[1])
    return row, column, tirx.all(row_exists, column_exists)


def _back(position: Any, stride: int, size: int) -> tuple[Any, Any]:
    output = position if stride == 1 else tirx.floordiv(position, stride)
    exists = tirx.all(position >= 0, output < size)
    return output, exists if stride == 1 else tirx.all(exists, tirx.floormod(position, stride) == 0)

"""A window that slides over the two middle axes of an NHWC tensor: what convolutions and poolings share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlet.ir.graph import Attrs
from gradlet.ir.tensor_type import TensorType


def integers(attrs: Attrs, name: str, count: int, least: int, default: Any = None) -> tuple[int, ...]:
    """The attribute `name`; raises ValueError unless it is `count` integers, none below `least`."""
    value = attrs.get(name, default)
    fits = isinstance(value, tuple) and len(value) == count and all(isinstance(v, int) and v >= least for v in value)
    if not fits:
        raise ValueError(f"{name} is {value}, not {count} integers of at least {least}")
    return tuple(value)


def check_image(type_: TensorType, name: str) -> None:
    if len(type_.shape) != 4:
        raise ValueError(f"{name} {type_} has {len(type_.shape)} axes, not the four of NHWC")


@dataclass(frozen=True)
class Window:
    """A window of `kernel` taps, `dilation` elements apart, that moves by `strides`; all as (height, width).

    Attributes:
        padding: Rows and columns added around the input: (top, left, bottom, right).
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...] = (1, 1)

    @staticmethod
    def of(attrs: Attrs, kernel: Sequence[int] | None = None) -> Window:
        """The window that the attributes of a node describe; raises ValueError if they make none."""
        return Window(
            kernel=integers(attrs, "kernel", 2, 1) if kernel is None else tuple(kernel),
            strides=integers(attrs, "strides", 2, 1),
            padding=integers(attrs, "padding", 4, 0),
            dilation=integers(attrs, "dilation", 2, 1, (1, 1)),
        )

    @property
    def overlaps(self) -> bool:
        """Whether two positions may share an element."""
        return any((k - 1) * d >= s for k, d, s in zip(self.kernel, self.dilation, self.strides, strict=True))

    @property
    def taps(self) -> int:
        return self.kernel[0] * self.kernel[1]

    def output_size(self, shape: Sequence[int]) -> tuple[int, int]:
        """Positions the window takes on an NHWC input; raises ValueError if it is larger than the padded input."""
        top, left, bottom, right = self.padding
        padded = shape[1] + top + bottom, shape[2] + left + right
        extent = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]
        if min(self.kernel) < 1 or padded[0] < extent[0] or padded[1] < extent[1]:
            raise ValueError(
                f"a {self.kernel[0]}x{self.kernel[1]} window of {extent[0]}x{extent[1]} elements does not fit "
                f"into a padded input of {padded[0]}x{padded[1]}"
            )
        return (padded[0] - extent[0]) // self.strides[0] + 1, (padded[1] - extent[1]) // self.strides[1] + 1

    def check_pooling(self) -> None:
        """Raises ValueError if some position of the window could lie on padding alone."""
        if max(self.padding[::2]) >= self.kernel[0] or max(self.padding[1::2]) >= self.kernel[1]:
            raise ValueError(f"padding {self.padding} must be smaller than the window {self.kernel}")

    def check_output(self, output: TensorType, shape: Sequence[int]) -> None:
        """Raises ValueError unless `output`, e.g. a gradient, has the batch and size of this window's outputs."""
        expected = (shape[0], *self.output_size(shape))
        if output.shape[:3] != expected:
            raise ValueError(f"gradient {output} does not begin with the axes {expected} of what it is a gradient of")

    def runs_ahead(self, shape: Sequence[int]) -> bool:
        """Whether the result for pixel k sees no pixel before the k-th, all counted in raster order.

        Then results can take the place of pixels that the window has passed: so of strides of two with little padding.
        """
        first = [self._first_seen(axis, count) for axis, count in enumerate(self.output_size(shape))]
        seen = first[0][:, None] * shape[2] + first[1]
        return bool((seen.ravel() >= np.arange(seen.size)).all())

    def _first_seen(self, axis: int, count: int) -> np.ndarray:
        """For each position along an axis the first row or column it sees that is not padding."""
        begin = np.arange(count) * self.strides[axis] - self.padding[axis]
        return np.where(begin < 0, begin % self.dilation[axis], begin)

    def gather(self, x: np.ndarray, fill: float = 0.0) -> np.ndarray:
        """What the window sees: [N, H, W, C] -> [N, output height, output width, taps, C]."""
        top, left, bottom, right = self.padding
        padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
        return np.stack([padded[tap] for tap in self._taps(x.shape)], axis=3)

    def scatter(self, columns: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """The adjoint of `gather`: adds up what each element of an input of this shape received."""
        top, left, bottom, right = self.padding
        n, height, width, channels = shape
        padded = np.zeros((n, height + top + bottom, width + left + right, channels), columns.dtype)
        for index, tap in enumerate(self._taps(shape)):
            padded[tap] += columns[:, :, :, index]
        return padded[:, top : top + height, left : left + width]

    def _taps(self, shape: Sequence[int]) -> Iterator[tuple[slice, slice, slice]]:
        """Where each tap lies on the padded input, for all positions of the window at once."""
        rows, columns = self.output_size(shape)
        for row in range(0, self.kernel[0] * self.dilation[0], self.dilation[0]):
            for column in range(0, self.kernel[1] * self.dilation[1], self.dilation[1]):
                yield (
                    slice(None),
                    slice(row, row + (rows - 1) * self.strides[0] + 1, self.strides[0]),
                    slice(column, column + (columns - 1) * self.strides[1] + 1, self.strides[1]),
                )

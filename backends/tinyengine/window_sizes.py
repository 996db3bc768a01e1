"""The sizes of a sliding window as the kernels read them: `read_window` of kernels/windows.h."""

from __future__ import annotations

from collections.abc import Sequence

from gradlet.ir.graph import Attrs
from gradlet.ir.tensor_type import TensorType
from gradlet.ir.windows import Window


def window_sizes(
    attrs: Attrs, images: TensorType, results: TensorType, kernel: Sequence[int] | None = None
) -> tuple[int, ...]:
    """Images, results and window of a node; `kernel` is its height and width where it is no attribute."""
    window = Window.of(attrs, kernel)
    top, left, _, _ = window.padding
    return (*images.shape, *results.shape[1:], *window.kernel, *window.strides, top, left, *window.dilation)

"""A transposed convolution as a convolution: of pixels spread apart, with weights turned by 180 degrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradlet.ir.graph import Attrs, Source, Value
from gradlet.ir.op_def import Emit


def spread(emit: Emit, x: Value, kernel: Sequence[int], attrs: Attrs, nothing: float) -> tuple[Value, dict[str, Any]]:
    """What such a convolution reads, and its attributes.

    Args:
        emit: Adds the nodes that spread the pixels.
        x: NHWC.
        kernel: Height and width.
        attrs: Those of `conv2d_input_grad`, which it is to be equal to.
        nothing: What stands for 0 in x.
    """
    dilation = attrs.get("dilation", (1, 1))
    x = _apart(emit, x, attrs["strides"], nothing)
    before = [d * (k - 1) - p for d, k, p in zip(dilation, kernel, attrs["padding"], strict=False)]
    after = [attrs["input_shape"][axis + 1] + attrs["padding"][axis] - x.type.shape[axis + 1] for axis in (0, 1)]
    for axis, (first, last) in enumerate(zip(before, after, strict=True), 1):
        if min(first, last) < 0:
            x = emit("slice", x, axis=axis, begin=max(-first, 0), end=x.type.shape[axis] + min(last, 0))
    padding = tuple(max(n, 0) for n in (*before, *after))
    return x, {"strides": (1, 1), "padding": padding, "dilation": tuple(dilation)}


def _apart(emit: Emit, x: Value, strides: Sequence[int], nothing: float) -> Value:
    """Each pixel in the corner of a block of `strides`."""
    if set(strides) == {1}:
        return x
    n, h, w, c = x.type.shape
    points = emit("reshape", x, shape=(n, h, 1, w, 1, c))
    after = (0, 0, strides[0] - 1, 0, strides[1] - 1, 0)
    blocks = emit("pad", points, before=(0,) * 6, after=after, value=nothing)
    return emit("reshape", blocks, shape=(n, h * strides[0], w * strides[1], c))


def turned(weight: np.ndarray, source: Source) -> tuple[np.ndarray, Source]:
    """A weight OHWI with rows and columns in reverse order, and where it comes from."""
    orders = tuple((axis, tuple(reversed(range(weight.shape[axis])))) for axis in (1, 2))
    return np.ascontiguousarray(weight[:, ::-1, ::-1]), replace(source, orders=(*source.orders, *orders))

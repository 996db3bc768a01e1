"""Windows as TensorFlow has them: padding by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.frontends.tflite.schema import PADDINGS
from gradlet.ir.graph import Value

_MOST = 4096


def window(b: Builder, op: Operator, table: str, x: Value, kernel: Sequence[int] = ()) -> dict[str, Any]:
    """The attributes of a convolution with this kernel, or of a pooling, whose options tell its own."""
    if len(x.type.shape) != 4:
        raise inconsistent(f"{op.name} reads {x.type}, which is no image", b.emit.loc)
    dilation = pair(b, op, table, "dilation_{0}_factor") if kernel else (1, 1)
    size = (kernel[0], kernel[1]) if kernel else pair(b, op, table, "filter_{1}")
    found = strided(b, op, table, x.type.shape, size, dilation)
    return found | ({"dilation": dilation} if kernel else {"kernel": size})


def strided(
    b: Builder, op: Operator, table: str, shape: Sequence[int], kernel: Sequence[int], dilation: Sequence[int] = (1, 1)
) -> dict[str, tuple[int, ...]]:
    """The attributes `strides` and `padding` of a window that slides over images of this shape."""
    strides, padding = pair(b, op, table, "stride_{0}"), b.option(op, table, "padding")
    if not 0 <= padding < len(PADDINGS):
        raise inconsistent(f"{op.name} has padding {padding}", b.emit.loc)
    missing = [
        _missing(*each) if PADDINGS[padding] == "SAME" else 0
        for each in zip(shape[1:3], kernel, strides, dilation, strict=True)
    ]
    before = [m // 2 for m in missing]
    return {"strides": strides, "padding": (*before, *(m - h for m, h in zip(missing, before, strict=True)))}


def pair(b: Builder, op: Operator, table: str, name: str) -> tuple[int, int]:
    """(height, width) of options that are called `name` with h and w, or height and width, put in."""
    sizes = tuple(b.option(op, table, name.format(*axis)) for axis in (("h", "height"), ("w", "width")))
    if not all(1 <= size <= _MOST for size in sizes):
        raise inconsistent(f"{op.name} has {name.format('*', '*')} of {list(sizes)}", b.emit.loc)
    return sizes[0], sizes[1]


def _missing(size: int, kernel: int, stride: int, dilation: int) -> int:
    """By how much an axis is too short for ceil(size / stride) windows."""
    return max(0, (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size)

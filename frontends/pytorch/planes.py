"""Convolution and pooling in one dimension are those in two, with a height of 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gradlet.frontends.pytorch.builder import Builder, Operand, UnsupportedError
from gradlet.frontends.pytorch.tensor import Tensor
from gradlet.ir.graph import Value

Padding = tuple[int, int, int, int]


def on_planes(b: Builder, x: Operand, dimensions: int, make: Callable[[Value], Value]) -> Tensor:
    """Applies `make`, from NHWC to NHWC, to (N, C, H, W) or (N, C, L), or to one of these without N."""
    shape = x.shape
    if not dimensions < len(shape) <= dimensions + 2:
        raise UnsupportedError(f"input of rank {len(shape)}")
    batch = shape[:1] if len(shape) == dimensions + 2 else (1,)
    channels, *extent = shape[-dimensions - 1 :]
    planes = b.view(x, (*batch, channels, *_pair(extent, 1)))
    result = b.from_channels_last(make(b.channels_last(planes)))
    _, channels, *extent = result.shape
    return b.view(result, (*batch[: len(shape) - dimensions - 1], channels, *extent[-dimensions:]))


def pair(sizes: Sequence[int] | int, dimensions: int, first: int = 1) -> tuple[int, int]:
    """(h, w) of a size given once, once for both, or for one dimension; `first` is the h of one dimension."""
    given = [sizes] if isinstance(sizes, int) else list(sizes)
    return _pair(given * dimensions if len(given) == 1 else given, first)


def _pair(sizes: Sequence[int], first: int) -> tuple[int, int]:
    h, w = sizes if len(sizes) == 2 else (first, *sizes)
    return int(h), int(w)

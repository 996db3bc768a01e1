"""Interpolation of images."""

from collections.abc import Sequence
from typing import Any

from gradlet.frontends.pytorch.builder import Builder, Operand, UnsupportedError
from gradlet.frontends.pytorch.tensor import Tensor


def nearest(
    b: Builder, x: Operand, output_size: Sequence[int] | None, scale_factors: Sequence[float] | None = None
) -> Tensor:
    return _resize(b, x, output_size, scale_factors, mode="nearest")


def nearest_exact(
    b: Builder, x: Operand, output_size: Sequence[int] | None, scale_factors: Sequence[float] | None = None
) -> Tensor:
    return _resize(b, x, output_size, scale_factors, mode="nearest", half_pixel_centers=True)


def bilinear(
    b: Builder,
    x: Operand,
    output_size: Sequence[int] | None,
    align_corners: bool,
    scale_factors: Sequence[float] | None = None,
) -> Tensor:
    return _resize(b, x, output_size, scale_factors, mode="bilinear", align_corners=align_corners)


def _resize(
    b: Builder,
    x: Operand,
    output_size: Sequence[int] | None,
    scale_factors: Sequence[float] | None,
    **attrs: Any,
) -> Tensor:
    size = tuple(output_size) if output_size else _scaled(x.shape[2:], scale_factors or ())
    resized = b("resize", b.channels_last(x), size=size, **attrs)
    return b.from_channels_last(resized)


def _scaled(size: Sequence[int], factors: Sequence[float]) -> tuple[int, ...]:
    """PyTorch takes the positions from the factors: those that do not divide evenly would give others."""
    exact = [s * f for s, f in zip(size, factors, strict=True)]
    if any(e != int(e) for e in exact):
        raise UnsupportedError(f"{list(size)} times {list(factors)} is no whole size: give the size instead")
    return tuple(int(e) for e in exact)


CONVERTERS = {
    "aten.upsample_nearest2d.vec": nearest,
    "aten._upsample_nearest_exact2d.vec": nearest_exact,
    "aten.upsample_bilinear2d.vec": bilinear,
}

"""Operators that rename the axes of one tensor: most cost nothing, or wait until a node needs the elements moved."""

import math
from collections.abc import Sequence
from typing import Any

from gradlet.frontends.pytorch.builder import Builder, Operand, UnsupportedError
from gradlet.frontends.pytorch.tensor import Tensor, inverse
from gradlet.ir.tensor_type import DType


def view(b: Builder, x: Operand, size: Sequence[int]) -> Tensor:
    known = math.prod(s for s in size if s != -1)
    return b.view(x, tuple(math.prod(x.shape) // known if s == -1 else s for s in size))


def squeeze(b: Builder, x: Operand, dim: Sequence[int] | int | None = None) -> Tensor:
    rank = len(x.shape)
    asked = range(rank) if dim is None else [dim] if isinstance(dim, int) else dim
    axes = {axis % rank for axis in asked}
    return b.view(x, tuple(size for axis, size in enumerate(x.shape) if size != 1 or axis not in axes))


def unsqueeze(b: Builder, x: Operand, dim: int) -> Tensor:
    dim %= len(x.shape) + 1
    return b.view(x, (*x.shape[:dim], 1, *x.shape[dim:]))


def permute(b: Builder, x: Operand, dims: Sequence[int]) -> Tensor:
    """The elements stay where they are."""
    x = b.settled(x)
    new_place = inverse([dim % len(dims) for dim in dims])
    return b.laid(x.value, [new_place[axis] for axis in x.order])


def transpose(b: Builder, x: Operand, dim0: int = 0, dim1: int = 1) -> Tensor:
    dims = list(range(len(x.shape)))
    dims[dim0], dims[dim1] = dims[dim1], dims[dim0]
    return permute(b, x, dims)


def pixel_shuffle(b: Builder, x: Operand, upscale_factor: int) -> Tensor:
    *leading, channels, height, width = x.shape
    r, n = upscale_factor, len(leading)
    split = b.view(x, (*leading, channels // r**2, r, r, height, width))
    moved = permute(b, split, [*range(n), n, n + 3, n + 1, n + 4, n + 2])
    return b.view(moved, (*leading, channels // r**2, height * r, width * r))


def pixel_unshuffle(b: Builder, x: Operand, downscale_factor: int) -> Tensor:
    *leading, channels, height, width = x.shape
    r, n = downscale_factor, len(leading)
    split = b.view(x, (*leading, channels, height // r, r, width // r, r))
    moved = permute(b, split, [*range(n), n, n + 2, n + 4, n + 1, n + 3])
    return b.view(moved, (*leading, channels * r**2, height // r, width // r))


def channel_shuffle(b: Builder, x: Operand, groups: int) -> Tensor:
    batch, channels, *extent = x.shape
    split = b.view(x, (batch, groups, channels // groups, *extent))
    return b.view(transpose(b, split, 1, 2), x.shape)


def expand(b: Builder, x: Operand, size: Sequence[int], implicit: bool = False) -> Tensor:
    lacking = len(size) - len(x.shape)
    whole = b.settled(b.view(x, (*(1,) * lacking, *x.shape)) if lacking else x)
    shape = tuple(have if want == -1 else want for have, want in zip(whole.shape, size, strict=True))
    if shape == whole.shape:
        return whole
    return b.laid(b.broadcast(whole.value, tuple(shape[axis] for axis in whole.order)), whole.order)


def same(b: Builder, x: Operand, *_: Any, **__: Any) -> Operand:
    return x


def detach(b: Builder, x: Operand) -> Operand:
    if isinstance(x, Tensor) and b.learns(x.value):
        raise UnsupportedError("no gradient can be stopped here: freeze the parameters before it instead")
    return x


def cast(b: Builder, x: Operand, dtype: Any = None, **_: Any) -> Operand:
    wanted = str(dtype).removeprefix("torch.")
    x = b.tensor(x)
    if dtype is None or wanted == x.value.type.dtype.value:
        return x
    if wanted not in [t.value for t in DType]:
        raise UnsupportedError(f"elements of type {wanted}")
    return b.like(b("cast", x.value, dtype=wanted), x)


CONVERTERS = {
    "aten.view.default": view,
    "aten.reshape.default": view,
    "aten._unsafe_view.default": view,
    "aten.squeeze.default": squeeze,
    "aten.squeeze.dim": squeeze,
    "aten.squeeze.dims": squeeze,
    "aten.unsqueeze.default": unsqueeze,
    "aten.permute.default": permute,
    "aten.transpose.int": transpose,
    "aten.t.default": transpose,
    "aten.pixel_shuffle.default": pixel_shuffle,
    "aten.pixel_unshuffle.default": pixel_unshuffle,
    "aten.channel_shuffle.default": channel_shuffle,
    "aten.native_channel_shuffle.default": channel_shuffle,
    "aten.expand.default": expand,
    "aten.clone.default": same,
    "aten.contiguous.default": same,
    "aten.alias.default": same,
    "aten.lift_fresh_copy.default": same,
    "aten.detach.default": detach,
    "aten._to_copy.default": cast,
}

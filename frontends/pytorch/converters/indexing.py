"""Operators that take elements by their places, or tell the place of the largest one."""

from collections.abc import Sequence

import numpy as np

from gradlet.frontends.pytorch.builder import Builder, Operand, UnsupportedError
from gradlet.frontends.pytorch.converters.joining import cat, slices
from gradlet.frontends.pytorch.tensor import Parameter, Tensor, natural
from gradlet.ir.graph import Role, Value
from gradlet.ir.tensor_type import DType


def embedding(
    b: Builder,
    weight: Operand,
    indices: Operand,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of a table. That of the padding gets no gradient: what is taken of it, zeros, is multiplied by 0."""
    if scale_grad_by_freq:
        raise UnsupportedError("gradients scaled by how often a row is taken (scale_grad_by_freq)")
    places = _integers(b, indices)
    rows = b("gather", b.plain(weight), places, axis=0)
    if padding_idx >= 0 and b.learns(b.plain(weight)):
        if not isinstance(weight, Parameter) or weight.array[padding_idx].any():
            raise UnsupportedError(f"padding_idx={padding_idx}, a row that is not 0")
        kept = np.ones((len(weight.array), 1), np.float32)
        kept[padding_idx] = 0
        rows = b("mul", rows, b("gather", b.constant("kept", kept, Role.BUFFER), places, axis=0))
    return b.laid(rows, natural(len(rows.type.shape)))


def index_select(b: Builder, x: Operand, dim: int, index: Operand) -> Tensor:
    x = b.settled(x)
    return b.laid(b("gather", x.value, _integers(b, index), axis=x.order.index(dim % len(x.shape))), x.order)


def index(b: Builder, x: Operand, indices: Sequence[Operand | None]) -> Tensor:
    """x[:, indices]: along one axis, indices of one axis."""
    given = [(axis, found) for axis, found in enumerate(indices) if found is not None]
    if len(given) != 1 or len(given[0][1].shape) != 1:
        raise UnsupportedError("indices of several axes")
    return index_select(b, x, *given[0])


def flip(b: Builder, x: Operand, dims: Sequence[int]) -> Tensor:
    x = b.settled(x)
    axes = tuple(sorted(x.order.index(dim % len(x.shape)) for dim in dims))
    return b.laid(b("flip", x.value, axis=axes), x.order) if axes else x


def roll(b: Builder, x: Operand, shifts: Sequence[int], dims: Sequence[int] = ()) -> Tensor:
    if not dims:
        flat = roll(b, b.view(x, (int(np.prod(x.shape)),)), shifts, (0,))
        return b.view(flat, x.shape)
    rolled = b.tensor(x)
    for shift, dim in zip(shifts, dims, strict=True):
        if begin := -shift % rolled.shape[dim]:
            rolled = cat(b, [slices(b, rolled, dim, begin), slices(b, rolled, dim, 0, begin)], dim)
    return rolled


def argmax(b: Builder, x: Operand, dim: int | None = None, keepdim: bool = False) -> Tensor:
    if dim is None:
        found = argmax(b, b.view(x, (int(np.prod(x.shape)),)), 0)
        return b.view(found, (1,) * len(x.shape)) if keepdim else found
    value, dim = b.plain(x), dim % len(x.shape)
    places = b("argmax", value, axis=dim)
    result = b.laid(places, natural(len(places.type.shape)))
    return b.view(result, (*x.shape[:dim], 1, *x.shape[dim + 1 :])) if keepdim else result


def _integers(b: Builder, x: Operand) -> Value:
    """Indices as int32."""
    if isinstance(x, Parameter):
        if x.array.dtype.kind not in "iu":
            raise UnsupportedError(f"indices of type {x.array.dtype}")
        return b.constant("indices", x.array.astype(np.int32), Role.BUFFER)
    value = b.plain(x)
    return value if value.type.dtype is DType.I32 else b("cast", value, dtype="int32")


CONVERTERS = {
    "aten.embedding.default": embedding,
    "aten.index_select.default": index_select,
    "aten.index.Tensor": index,
    "aten.flip.default": flip,
    "aten.roll.default": roll,
    "aten.argmax.default": argmax,
}

"""Assignments to a part of a tensor, which PyTorch rewrites as new tensors."""

from gradlet.frontends.pytorch.builder import Builder, Operand, UnsupportedError
from gradlet.frontends.pytorch.converters.creation import full_like
from gradlet.frontends.pytorch.converters.joining import cat, slices
from gradlet.frontends.pytorch.converters.shape import expand, unsqueeze
from gradlet.frontends.pytorch.tensor import Tensor


def slice_scatter(
    b: Builder, x: Operand, src: Operand, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    if step != 1:
        raise UnsupportedError(f"step={step}: only neighbours can be assigned to")
    dim %= len(x.shape)
    size = x.shape[dim]
    first, last, _ = slice(start, end).indices(size)
    before = [slices(b, x, dim, 0, first)] if first > 0 else []
    after = [slices(b, x, dim, last, size)] if last < size else []
    return cat(b, [*before, src, *after], dim)


def select_scatter(b: Builder, x: Operand, src: Operand, dim: int, index: int) -> Tensor:
    dim %= len(x.shape)
    index %= x.shape[dim]
    return slice_scatter(b, x, unsqueeze(b, src, dim), dim, index, index + 1)


CONVERTERS = {
    "aten.slice_scatter.default": slice_scatter,
    "aten.select_scatter.default": select_scatter,
    "aten.copy.default": lambda b, x, src: expand(b, src, x.shape),
    "aten.fill.Scalar": full_like,
    "aten.fill.Tensor": lambda b, x, value: expand(b, value, x.shape),
}

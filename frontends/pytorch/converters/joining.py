"""Operators that take tensors apart or put them together."""

from collections.abc import Sequence

from gradlet.frontends.pytorch.builder import Builder, Operand
from gradlet.frontends.pytorch.converters.shape import expand, unsqueeze
from gradlet.frontends.pytorch.tensor import Tensor


def cat(b: Builder, tensors: Sequence[Operand], dim: int = 0) -> Tensor:
    order = b.settled(max(tensors, key=lambda t: isinstance(t, Tensor) and t.value.type.size)).order
    values = [b.lay(t, order) for t in tensors]
    axis = order.index(dim % len(order))
    return b.laid(b("concat", *values, axis=axis), order) if len(values) > 1 else b.laid(values[0], order)


def stack(b: Builder, tensors: Sequence[Operand], dim: int = 0) -> Tensor:
    dim %= len(tensors[0].shape) + 1
    return cat(b, [unsqueeze(b, t, dim) for t in tensors], dim)


def slices(
    b: Builder, x: Operand, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    x = b.settled(x)
    dim %= len(x.shape)
    first, last, _ = slice(start, end, step).indices(x.shape[dim])
    if (first, last, step) == (0, x.shape[dim], 1):
        return x
    return b.laid(
        b.once("slice", x.value, axis=x.order.index(dim), begin=first, end=last, step=step).outputs[0], x.order
    )


def select(b: Builder, x: Operand, dim: int, index: int) -> Tensor:
    dim %= len(x.shape)
    index %= x.shape[dim]
    return b.view(slices(b, x, dim, index, index + 1), (*x.shape[:dim], *x.shape[dim + 1 :]))


def split_with_sizes(b: Builder, x: Operand, split_sizes: Sequence[int], dim: int = 0) -> list[Tensor]:
    x = b.settled(x)
    if len(split_sizes) == 1:
        return [x]
    axis = x.order.index(dim % len(x.shape))
    parts = b.once("split", x.value, axis=axis, sizes=tuple(split_sizes)).outputs
    return [b.laid(part, x.order) for part in parts]


def split(b: Builder, x: Operand, split_size: int, dim: int = 0) -> list[Tensor]:
    size = x.shape[dim]
    return split_with_sizes(b, x, [min(split_size, size - at) for at in range(0, size, split_size)], dim)


def chunk(b: Builder, x: Operand, chunks: int, dim: int = 0) -> list[Tensor]:
    return split(b, x, -(-x.shape[dim] // chunks), dim)


def unbind(b: Builder, x: Operand, dim: int = 0) -> list[Tensor]:
    return [select(b, x, dim, index) for index in range(x.shape[dim])]


def repeat(b: Builder, x: Operand, repeats: Sequence[int]) -> Tensor:
    lacking = len(repeats) - len(x.shape)
    result = b.view(x, (*(1,) * lacking, *x.shape))
    for dim, times in enumerate(repeats):
        if times > 1 and result.shape[dim] == 1:
            result = expand(b, result, [times if axis == dim else -1 for axis in range(len(repeats))])
        elif times > 1:
            result = cat(b, [result] * times, dim)
    return result


CONVERTERS = {
    "aten.cat.default": cat,
    "aten.stack.default": stack,
    "aten.slice.Tensor": slices,
    "aten.select.int": select,
    "aten.split.Tensor": split,
    "aten.split_with_sizes.default": split_with_sizes,
    "aten.chunk.default": chunk,
    "aten.unbind.int": unbind,
    "aten.repeat.default": repeat,
}

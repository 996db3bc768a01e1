"""Where the tensors of a PyTorch program lie in the IR."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gradlet.ir.graph import Role, Value

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Parameter:
    """A parameter, buffer or constant that no converter has asked for yet: its first user chooses its layout."""

    name: str
    array: np.ndarray
    role: Role
    trainable: bool

    @property
    def shape(self) -> Shape:
        return self.array.shape


@dataclass(frozen=True)
class Tensor:
    """A tensor that a value holds: `tensor = value.transpose(argsort(order)).reshape(shape)`.

    PyTorch puts channels second, the IR puts them last: permuting a tensor only changes `order`. A reshape that would
    need the elements moved is *pending* until a converter asks for them: a linear layer permutes its weights instead.

    Attributes:
        value: Its elements.
        order: Axis i of the value is axis `order[i]` of `base`.
        shape: As PyTorch sees it.
    """

    value: Value
    order: tuple[int, ...]
    shape: Shape

    @property
    def base(self) -> Shape:
        """Its shape before the pending reshape."""
        return tuple(self.value.type.shape[self.order.index(axis)] for axis in range(len(self.order)))

    @property
    def is_pending(self) -> bool:
        return self.shape != self.base


def natural(rank: int) -> tuple[int, ...]:
    return tuple(range(rank))


def channels_last(rank: int) -> tuple[int, ...]:
    """The order in which the IR keeps a tensor whose second axis is its channels."""
    return (0, *range(2, rank), 1) if rank > 1 else natural(rank)


def inverse(order: Sequence[int]) -> tuple[int, ...]:
    return tuple(order.index(axis) for axis in range(len(order)))


def groups(before: Shape, after: Shape) -> Iterator[tuple[list[int], list[int]]]:
    """The smallest runs of axes that a reshape turns into one another; axes of size 1 are left out."""
    source, target = ([axis for axis, size in enumerate(shape) if size != 1] for shape in (before, after))
    while source:
        left, right = [source.pop(0)], [target.pop(0)]
        while (have := math.prod(before[a] for a in left)) != (want := math.prod(after[a] for a in right)):
            if have < want:
                left.append(source.pop(0))
            else:
                right.append(target.pop(0))
        yield left, right


def stored_axes(tensor: Tensor) -> list[int]:
    """The axes of `base` in the order of the value; axes of size 1 left out."""
    return [axis for axis in tensor.order if tensor.base[axis] != 1]


def nearest_order(tensor: Tensor, shape: Shape) -> tuple[int, ...]:
    """The order of `shape` that moves the fewest elements: what is first in the value stays first."""
    before = stored_axes(tensor)
    runs = sorted(groups(tensor.base, shape), key=lambda run: min(map(before.index, run[0])))
    return with_ones([axis for _, right in runs for axis in right], shape)


def source_axes(tensor: Tensor, order: Sequence[int]) -> list[int] | None:
    """The axes of `base` in the order that a reshape to `tensor.shape`, its axes in `order`, has to find.

    None if no reshape can do it: axes that are made together must stay together.
    """
    wide = [axis for axis in order if tensor.shape[axis] != 1]
    made = {right[0]: (left, right) for left, right in groups(tensor.base, tensor.shape)}
    axes: list[int] = []
    while wide:
        left, right = made.get(wide[0], ([], []))
        if not right or wide[: len(right)] != right:
            return None
        axes += left
        wide = wide[len(right) :]
    return axes


def with_ones(order: list[int], shape: Shape) -> tuple[int, ...]:
    """Adds the axes of size 1, each behind the axis that PyTorch has before it."""
    full = list(order)
    for axis, size in enumerate(shape):
        if size == 1:
            full.insert(full.index(axis - 1) + 1 if axis else 0, axis)
    return tuple(full)

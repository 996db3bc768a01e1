"""Axes in attributes: counted from the front, or negative from the back, as numpy does."""

from __future__ import annotations

from collections.abc import Sequence

from gradlet.ir.graph import Attrs
from gradlet.ir.tensor_type import TensorType


def axis_of(attrs: Attrs, rank: int, default: int | None = None) -> int:
    """The attribute `axis`, counted from the front."""
    axis = attrs.get("axis", default)
    if not isinstance(axis, int) or not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is none of the {rank} axes")
    return axis % rank


def axes_of(attrs: Attrs, rank: int) -> tuple[int, ...]:
    """The attribute `axis` of a reduction, counted from the front, ascending."""
    axes = sorted(axis_of({"axis": a}, rank) for a in attrs["axis"])
    if len(set(axes)) < len(axes):
        raise ValueError(f"axis {attrs['axis']} names an axis twice")
    return tuple(axes)


def kept_axes(attrs: Attrs, rank: int) -> list[int]:
    """The axes that a reduction leaves."""
    return [a for a in range(rank) if a not in axes_of(attrs, rank)]


def reduced_shape(type_: TensorType, attrs: Attrs) -> tuple[int, ...]:
    """Shape of a reduction over the attribute `axis`, `keepdims` as in numpy."""
    axes = axes_of(attrs, len(type_.shape))
    if attrs.get("keepdims", False):
        return tuple(1 if a in axes else n for a, n in enumerate(type_.shape))
    return tuple(n for a, n in enumerate(type_.shape) if a not in axes)


def replaced(shape: Sequence[int], axis: int, size: int) -> tuple[int, ...]:
    """A shape with another size along one axis."""
    return (*shape[:axis], size, *shape[axis + 1 :])

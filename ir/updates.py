"""What all update ops share: the region of the parameter they change, and updates that are due only every k steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradlet.ir.graph import Attrs, Region
from gradlet.ir.tensor_type import TensorType


def region(attrs: Attrs) -> Region | None:
    """The part of the parameter that the gradient belongs to; None: all of it."""
    return Region(attrs["axis"], attrs["begin"], attrs["end"]) if "axis" in attrs else None


def region_index(parameter: np.ndarray, attrs: Attrs) -> tuple[slice, ...]:
    part = region(attrs)
    return part.index(parameter.ndim) if part else (slice(None),) * parameter.ndim


def region_shape(type_: TensorType, attrs: Attrs) -> tuple[int, ...]:
    """Shape of the gradient, and of the moments, of a parameter."""
    part = region(attrs)
    if part is None:
        return type_.shape
    if not 0 <= part.begin < part.end <= type_.shape[part.axis]:
        raise ValueError(f"[{part.begin}, {part.end}) is no part of axis {part.axis} of {type_}")
    return (*type_.shape[: part.axis], part.end - part.begin, *type_.shape[part.axis + 1 :])


def check_gradient(parameter: TensorType, gradient: TensorType, attrs: Attrs) -> None:
    if gradient.shape != region_shape(parameter, attrs):
        raise ValueError(f"gradient {gradient} does not fit what is updated of {parameter}")


def is_due(micro: Sequence[np.ndarray], attrs: Attrs) -> bool:
    """Whether this step completes a group of `every` accumulated steps; `micro` holds the steps done before it."""
    return not micro or (int(micro[0]) + 1) % attrs["every"] == 0

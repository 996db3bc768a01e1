"""What all update ops share: the region of the parameter they change, and updates that are due only every k steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradlet.ir.graph import Attrs, Region
from gradlet.ir.op_def import Sampler, normal
from gradlet.ir.tensor_type import TensorType, i32


def region(attrs: Attrs) -> Region | None:
    """The part of the parameter that the gradient belongs to; None: all of it."""
    return Region(attrs["axis"], attrs["begin"], attrs["end"]) if "axis" in attrs else None


def moment_region(attrs: Attrs) -> Region | None:
    """The part of the moments that belongs to the gradient; None: all of them.

    Moments have the shape of the gradient, or that of a larger part of the parameter, from `moments_begin` on: then
    this update is one of several that share them.
    """
    part = region(attrs)
    if part is None or "moments_begin" not in attrs:
        return None
    return Region(part.axis, part.begin - attrs["moments_begin"], part.end - attrs["moments_begin"])


def index_of(part: Region | None, array: np.ndarray) -> tuple[slice, ...]:
    return part.index(array.ndim) if part else (slice(None),) * array.ndim


def shape_of(part: Region | None, type_: TensorType) -> tuple[int, ...]:
    """Shape of a part of a tensor."""
    if part is None:
        return type_.shape
    if not 0 <= part.axis < len(type_.shape) or not 0 <= part.begin < part.end <= type_.shape[part.axis]:
        raise ValueError(f"[{part.begin}, {part.end}) is no part of axis {part.axis} of {type_}")
    return (*type_.shape[: part.axis], part.end - part.begin, *type_.shape[part.axis + 1 :])


def check_gradient(parameter: TensorType, gradient: TensorType, attrs: Attrs) -> None:
    if gradient.dtype is not parameter.dtype or gradient.shape != shape_of(region(attrs), parameter):
        raise ValueError(f"gradient {gradient} does not fit what is updated of {parameter}")


def check_moments(gradient: TensorType, attrs: Attrs, *moments: TensorType) -> None:
    for moment in moments:
        if (moment.dtype, shape_of(moment_region(attrs), moment)) != (gradient.dtype, gradient.shape):
            raise ValueError(f"moment {moment} does not fit gradient {gradient}")


def check_rate(rate: TensorType, parameter: TensorType) -> None:
    if rate != TensorType(parameter.dtype, ()):
        raise ValueError(f"learning rate {rate} is no scalar of the type of {parameter}")


def check_counter(*counters: TensorType) -> None:
    for counter in counters:
        if counter != i32():
            raise ValueError(f"counter {counter} is not i32[]")


def check_micro(micro: Sequence[TensorType], attrs: Attrs) -> None:
    """The optional last operand of an update: how many of the steps that accumulate have been done."""
    if len(micro) > 1:
        raise ValueError(f"{len(micro) - 1} operands too many")
    check_counter(*micro)
    if micro and not attrs.get("every", 0) >= 1:
        raise ValueError("an update that counts steps wants the attribute every, at least 1")


def is_due(micro: Sequence[np.ndarray], attrs: Attrs) -> bool:
    """Whether this step completes a group of `every` accumulated steps; `micro` holds the steps done before it."""
    return not micro or (int(micro[0]) + 1) % attrs["every"] == 0


def samples(**fixed: float) -> Sampler:
    """For examples: normal parameters, gradients and moments; the operands of rank 0 are these, in their order."""

    def sample(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
        scalars = iter(fixed.values())
        drawn = normal(types, rng)
        return [np.full((), next(scalars), x.dtype) if t.shape == () else x for t, x in zip(types, drawn, strict=True)]

    return sample

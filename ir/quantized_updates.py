"""What the updates of quantised parameters share: their operands, and the step in units of the parameter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from gradlet.ir.gradient_epilogue import RANGE
from gradlet.ir.graph import Attrs
from gradlet.ir.tensor_type import DType, TensorType, f32
from gradlet.ir.updates import check_counter, check_micro, region, shape_of

# The largest float below 2^31.
INT32_BOUND = 2147483520.0

T = TypeVar("T")


@dataclass(frozen=True)
class UpdateOperands(Generic[T]):
    """What stands behind the parameter (and its master): gradient, its range, rate, factor, then what is optional."""

    g: T
    unit: T | None
    lr: T
    factor: T
    rest: Sequence[T]


def operands(given: Sequence[T], is_float: Callable[[T], bool]) -> UpdateOperands[T]:
    g, *others = given
    unit = None if is_float(g) else others.pop(0)
    lr, factor, *rest = others
    return UpdateOperands(g, unit, lr, factor, rest)


def check_update(p: TensorType, given: Sequence[TensorType], attrs: Attrs, optional: int) -> UpdateOperands[TensorType]:
    """The operands behind the parameter; raises ValueError where they do not fit it."""
    if p.dtype not in (DType.I8, DType.I32):
        raise ValueError(f"parameter {p} is not i8 or i32")
    if not given or len(given) not in range(3, 5 + optional) or (given[0].dtype is DType.I32 and len(given) < 4):
        raise ValueError(f"has {len(given)} operands behind the parameter")
    found = operands(given, lambda t: t.dtype.is_float)
    shape = shape_of(region(attrs), p)
    if found.g.shape != shape or found.g.dtype not in (DType.F32, DType.I32):
        raise ValueError(f"gradient {found.g} does not fit what is updated of {p}")
    if found.unit is not None and found.unit != RANGE:
        raise ValueError(f"the range of the gradient is {found.unit}, not {RANGE}")
    if found.lr != f32():
        raise ValueError(f"learning rate {found.lr} is not f32[]")
    axis = attrs.get("channel_axis")
    if not isinstance(axis, int) or not 0 <= axis < len(shape):
        raise ValueError(f"channel_axis is {axis}, no axis of {p}")
    if found.factor != f32(shape[axis]):
        raise ValueError(f"factor {found.factor} has no entry for each of {shape[axis]} channels")
    return found


def check_rest(rest: Sequence[TensorType], attrs: Attrs, counters: int) -> None:
    """Raises unless the optional operands are that many counters, then the steps done where there is `every`."""
    expected = counters + ("every" in attrs)
    if len(rest) != expected:
        raise ValueError(f"has {len(rest)} optional operands, not {expected}")
    check_counter(*rest)
    check_micro(rest[counters:], attrs)


def step(found: UpdateOperands[np.ndarray], attrs: Attrs, rate: Any) -> np.ndarray:
    """g * ((rate * factor) * unit), each product rounded once, of the shape of g."""
    kind = found.lr.dtype.type
    unit = kind(1) if found.unit is None else kind(found.unit[1])
    shape = [1] * found.g.ndim
    shape[attrs["channel_axis"]] = -1
    c = ((rate * found.factor.astype(kind)) * unit).reshape(shape)
    taken: np.ndarray = found.g.astype(kind) * c
    return taken


def decay(found: UpdateOperands[np.ndarray], attrs: Attrs, p: np.ndarray) -> Any:
    """(lr * weight_decay) * p."""
    kind = found.lr.dtype.type
    return (found.lr * kind(attrs["weight_decay"])) * p.astype(kind)

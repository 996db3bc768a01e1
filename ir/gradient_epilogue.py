"""How every gradient of a quantised value ends: unit, skip, scale and mask, then floats or integers with a range."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from gradlet.ir.graph import Attrs
from gradlet.ir.tensor_type import DType, TensorType, b1, f32

# Largest integer of an integer gradient.
LIMITS = {DType.I8: 127, DType.I16: 32767}
RANGE = f32(2)
# What is remembered of the largest gradient after one more step, and how much room is left above it.
DECAY, HEADROOM = 0.95, 1.5
EXPONENTS = 100

T = TypeVar("T")


@dataclass(frozen=True)
class Operands(Generic[T]):
    """The operands of an op with an epilogue, by what they are: values, types or arrays.

    Attributes:
        g: The gradient it starts from.
        unit: Range of an integer `g`.
        own: Those of the op itself, e.g. the parts of a weight.
        mask: Where the gradient goes on.
        scale: For each channel.
        skip: A gradient that is added.
        skip_unit: Range of an integer `skip`.
        range: Range of an integer result; it is overwritten.
    """

    g: T
    unit: T | None
    own: tuple[T, ...]
    mask: T | None
    scale: T | None
    skip: T | None
    skip_unit: T | None
    range: T | None


def operands(given: Sequence[T], attrs: Attrs, own: int, is_float: Callable[[T], bool]) -> Operands[T]:
    """Sorts them; the op itself has `own` of them.

    Raises ValueError unless these are exactly the operands that the attributes announce.
    """
    rest = iter(given)

    def take(what: str, wanted: bool = True) -> Any:
        if not wanted:
            return None
        value = next(rest, None)
        if value is None:
            raise ValueError(f"has {len(given)} operands, {what} is missing")
        return value

    g = take("the gradient")
    unit = take("the range of the gradient", not is_float(g))
    its_own = tuple(take("an operand") for _ in range(own))
    mask = take("the mask", attrs.get("mask", False))
    scale = take("the scale", attrs.get("scale", False))
    skip = take("skip", attrs.get("skip", False))
    skip_unit = take("the range of skip", skip is not None and not is_float(skip))
    range_ = take("the range of the result", result_dtype(attrs) is not DType.F32)
    _check_end(rest)
    return Operands(g, unit, its_own, mask, scale, skip, skip_unit, range_)


def _check_end(rest: Iterator[Any]) -> None:
    surplus = list(rest)
    if surplus:
        raise ValueError(f"{len(surplus)} operands too many")


def result_dtype(attrs: Attrs) -> DType:
    """Element type of the result, from the attribute `dtype`."""
    name = attrs.get("dtype", DType.F32.value)
    if name not in (DType.F32.value, *(d.value for d in LIMITS)):
        raise ValueError(f"dtype is {name}, not float32, int8 or int16")
    return DType(name)


def types_of(given: Sequence[TensorType], attrs: Attrs, own: int = 0) -> Operands[TensorType]:
    return operands(given, attrs, own, lambda t: t.dtype.is_float)


def arrays_of(given: Sequence[np.ndarray], attrs: Attrs, own: int = 0) -> Operands[np.ndarray]:
    return operands(given, attrs, own, lambda a: a.dtype.kind == "f")


def infer_result(found: Operands[TensorType], shape: tuple[int, ...], attrs: Attrs) -> list[TensorType]:
    """Types of the gradient and, if it is of integers, of its new range."""
    expected = {
        "the range of the gradient": (found.unit, RANGE),
        "the mask": (found.mask, b1(*shape)),
        "the scale": (found.scale, f32(*shape[-1:])),
        "the range of skip": (found.skip_unit, RANGE),
        "the range of the result": (found.range, RANGE),
    }
    for what, (type_, wanted) in expected.items():
        if type_ is not None and type_ != wanted:
            raise ValueError(f"{what} is {type_}, not {wanted}")
    if found.skip is not None and (found.skip.shape != shape or found.skip.dtype not in (DType.F32, *LIMITS)):
        raise ValueError(f"skip {found.skip} is no gradient of shape {shape}")
    result = TensorType(result_dtype(attrs), shape)
    return [result] if found.range is None else [result, RANGE]


def finish(sums: np.ndarray, found: Operands[np.ndarray], attrs: Attrs) -> list[np.ndarray]:
    """The results of an op whose sums, in units of its operand, are these: integers (int64) or floats."""
    p = _pre_quantized(sums, found, attrs)
    dtype = result_dtype(attrs)
    return [p] if found.range is None else quantized(p, found.range, dtype)


def _pre_quantized(sums: np.ndarray, found: Operands[np.ndarray], attrs: Attrs) -> np.ndarray:
    kind = _float_kind(sums, found)
    p = sums.astype(kind) * (_unit(found.unit, kind) * kind(attrs.get("factor", 1.0)))
    if found.skip is not None:
        p = p + found.skip.astype(kind) * (_unit(found.skip_unit, kind) * kind(attrs.get("skip_factor", 1.0)))
    if found.scale is not None:
        p = p * found.scale.astype(kind)
    masked: np.ndarray = p if found.mask is None else np.where(found.mask, p, kind(0))
    return masked


def _float_kind(sums: np.ndarray, found: Operands[np.ndarray]) -> Any:
    """Single precision, unless something is given in double."""
    given = [sums, found.unit, found.scale, found.skip, found.skip_unit, found.range]
    return np.float64 if any(a is not None and a.dtype == np.float64 for a in given) else np.float32


def _unit(range_: np.ndarray | None, kind: Any) -> Any:
    return kind(1) if range_ is None else kind(range_[1])


def quantized(p: np.ndarray, range_: np.ndarray, dtype: DType) -> list[np.ndarray]:
    """[clamp(rint(p / unit)), (m, unit)]; NaN becomes the lowest integer, and is not remembered."""
    limit, kind = LIMITS[dtype], p.dtype.type
    largest = np.fmax.reduce(np.abs(p), axis=None, initial=kind(0))
    used = largest if range_[0] == 0 else range_[0]
    unit = _power_of_two(used * kind(HEADROOM / limit))
    q = np.rint(within(p * (kind(1) / unit), limit))
    remembered = np.fmax(kind(DECAY) * range_[0], largest)
    return [q.astype(dtype.numpy), np.array([remembered, unit], p.dtype)]


def within(v: np.ndarray, limit: float) -> np.ndarray:
    """v between -limit and limit; NaN is the lower of them, so that what follows can make an integer of it."""
    bound = v.dtype.type(limit)
    return np.where(v > -bound, np.where(v < bound, v, bound), -bound)


def _power_of_two(x: Any) -> Any:
    """The smallest power of two that is not below x, between 2^-100 and 2^100; 1 for 0."""
    if x == 0:
        return x.dtype.type(1)
    fraction, exponent = np.frexp(x)
    exponent = exponent - 1 if fraction == 0.5 else exponent
    exponent = EXPONENTS if not np.isfinite(x) else min(max(int(exponent), -EXPONENTS), EXPONENTS)
    return np.ldexp(x.dtype.type(1), exponent)

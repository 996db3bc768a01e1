"""The end of every gradient of a quantised value, as expressions: what ir/gradient_epilogue.py computes in numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gradlet.backends.tvm.exact import (
    bits_of,
    exponent_of,
    fraction_bits,
    limited,
    power_of_two,
    product,
    real,
)
from gradlet.backends.tvm.expressions import reduced, result
from gradlet.backends.tvm.kernel import Buffer, Case, Read, Result
from gradlet.backends.tvm.package import te, tirx
from gradlet.ir.gradient_epilogue import DECAY, EXPONENTS, HEADROOM, LIMITS, Operands, operands

_INFINITY_BITS = 0x7F800000


@dataclass(frozen=True)
class Operand:
    """An operand and how it is read."""

    buffer: Buffer
    read: Read

    @property
    def is_float(self) -> bool:
        return self.buffer.type.dtype.is_float

    def __call__(self, *indices: Any) -> Any:
        return self.read(*indices)


def operands_of(case: Case, reads: Sequence[Read], own: int = 0) -> Operands[Operand]:
    given = [Operand(b, r) for b, r in zip(case.operands, reads, strict=True)]
    return operands(given, case.attrs, own, lambda o: o.is_float)


def finish(case: Case, found: Operands[Operand], sums: Callable[..., Any]) -> list[Result]:
    """The results of an op whose sums, in units of its operand, are these; integers look at each sum twice."""

    def element(*i: Any) -> Any:
        return _pre_quantized(case, found, sums(*i), i)

    return [result(case, element)] if found.range is None else _quantized(case, element, found.range)


def is_integer(case: Case) -> bool:
    """Whether the result is of integers."""
    return case.result.dtype in LIMITS


def _pre_quantized(case: Case, found: Operands[Operand], sums: Any, indices: Sequence[Any]) -> Any:
    p = _times(sums, found.unit, case.attrs.get("factor", 1.0))
    if found.skip is not None:
        p = p + _times(found.skip(*indices), found.skip_unit, case.attrs.get("skip_factor", 1.0))
    if found.scale is not None:
        p = product(p, found.scale(indices[-1]))
    return p if found.mask is None else tirx.Select(found.mask(*indices), p, real(0))


def _times(x: Any, range_: Operand | None, factor: float) -> Any:
    x = x.astype("float32")
    if range_ is None:
        return x if factor == 1 else product(x, real(factor))
    return product(x, range_(1) if factor == 1 else product(range_(1), real(factor)))


def _quantized(case: Case, p: Callable[..., Any], range_: Operand) -> list[Result]:
    """[clamp(rint(p / unit)), (m, unit)]."""
    limit = LIMITS[case.result.dtype]
    largest = te.compute((), lambda: _largest(p, case.result.shape), name="largest_bits")
    exponent = te.compute((), lambda: _exponent(range_(0), _float(largest()), limit), name="exponent")
    following = te.compute((), lambda: _larger(real(DECAY) * range_(0), _float(largest())), name="following")

    def integer(*i: Any) -> Any:
        v = p(*i) * power_of_two(-exponent())
        return tirx.nearbyint(limited(v, real(-limit), real(limit))).astype(case.result.dtype.value)

    q = result(case, integer)
    return [q, result(case, lambda k: tirx.Select(k == 0, following(), power_of_two(exponent())), 1)]


def _largest(p: Callable[..., Any], shape: Sequence[int]) -> Any:
    """The bits of the largest |p|, of which LLVM finds several at a time; NaN is not seen."""

    def bits(*i: Any) -> Any:
        found = bits_of(te.abs(p(*i)))
        return tirx.Select(found > _INFINITY_BITS, tirx.const(0, "int32"), found)

    return reduced(te.max, bits, shape)


def _float(bits: Any) -> Any:
    return tirx.reinterpret("float32", bits)


def _larger(a: Any, b: Any) -> Any:
    return tirx.Select(a > b, a, b)


def _exponent(m: Any, largest: Any, limit: int) -> Any:
    """Of the smallest power of two that covers what is remembered, or this tensor where nothing is."""
    covered = tirx.Select(m == real(0), largest, m) * real(HEADROOM / limit)
    above = exponent_of(covered) + tirx.Select(fraction_bits(covered) != 0, 1, 0)
    within = tirx.max(tirx.min(above, EXPONENTS), -EXPONENTS)
    return tirx.Select(covered == real(0), tirx.const(0, "int32"), within)

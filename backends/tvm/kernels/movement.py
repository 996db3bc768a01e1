"""Ops that move elements without changing them; and full."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gradlet.backends.tvm.expressions import broadcast, result
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.masks import flat_index, indices_of
from gradlet.backends.tvm.package import tirx
from gradlet.ir.axes import axes_of, axis_of, replaced


def _reshape(case: Case, x: Read) -> Sequence[Result]:
    shape, old = case.result.shape, case.shape(0)
    return [result(case, lambda *i: x(*indices_of(flat_index(i, shape), old)))]


def _transpose(case: Case, x: Read) -> Sequence[Result]:
    axes = case.attrs["axes"]
    return [result(case, lambda *i: x(*(i[axes.index(a)] for a in range(len(axes)))))]


def _flip(case: Case, x: Read) -> Sequence[Result]:
    shape = case.result.shape
    flipped = axes_of(case.attrs, len(shape))
    return [result(case, lambda *i: x(*(shape[a] - 1 - k if a in flipped else k for a, k in enumerate(i))))]


def _concat(case: Case, *xs: Read) -> Sequence[Result]:
    axis = axis_of(case.attrs, len(case.result.shape))
    begins = [sum(case.shape(k)[axis] for k in range(last)) for last in range(len(xs))]

    def element(*indices: Any) -> Any:
        index = indices[axis]
        parts = [x(*replaced(indices, axis, index - begin)) for x, begin in zip(xs, begins, strict=True)]
        chosen = parts[-1]
        for k in reversed(range(len(parts) - 1)):
            chosen = tirx.if_then_else(index < begins[k + 1], parts[k], chosen)
        return chosen

    return [result(case, element)]


def _part(x: Read, axis: int, begin: int, step: int = 1) -> Callable[..., Any]:
    """The elements of `x` that start at `begin` of an axis."""
    return lambda *indices: x(*replaced(indices, axis, begin + indices[axis] * step))


def _slice(case: Case, x: Read) -> Sequence[Result]:
    axis = axis_of(case.attrs, len(case.result.shape))
    return [result(case, _part(x, axis, case.attrs["begin"], case.attrs.get("step", 1)))]


def _split(case: Case, x: Read) -> Sequence[Result]:
    axis, sizes = axis_of(case.attrs, len(case.result.shape)), case.attrs["sizes"]
    return [result(case, _part(x, axis, sum(sizes[:k])), k) for k in range(len(sizes))]


def _pad(case: Case, x: Read) -> Sequence[Result]:
    before, value = case.attrs["before"], case.attrs.get("value", 0.0)
    constant = tirx.const(value, case.result.dtype.value)

    def element(*indices: Any) -> Any:
        own = [i - b for i, b in zip(indices, before, strict=True)]
        grown = [k for k, n in enumerate(case.result.shape) if n > case.shape(0)[k]]
        inside = [c for k in grown for c in (own[k] >= 0, own[k] < case.shape(0)[k])]
        return tirx.if_then_else(tirx.all(*inside), x(*own), constant) if inside else x(*own)

    return [result(case, element)]


def _broadcast_to(case: Case, x: Read) -> Sequence[Result]:
    return [result(case, lambda *i: broadcast(x, case.shape(0), i))]


def _full(case: Case) -> Sequence[Result]:
    dtype = "bool" if case.result.dtype.bits == 1 else case.result.dtype.value
    return [result(case, lambda *i: tirx.const(case.attrs["value"], dtype))]


KERNELS = {
    "reshape": Kernel(_reshape, view=True),
    "transpose": Kernel(_transpose),
    "flip": Kernel(_flip),
    "concat": Kernel(_concat),
    "slice": Kernel(_slice),
    "split": Kernel(_split),
    "pad": Kernel(_pad),
    "broadcast_to": Kernel(_broadcast_to, flat=True),
    "full": Kernel(_full, flat=True),
}

"""Sums, means, maxima and variances over axes."""

from collections.abc import Callable, Sequence
from typing import Any

from gradlet.frontends.pytorch.broadcast import binary, scaled, unary
from gradlet.frontends.pytorch.builder import Builder, Operand, UnsupportedError
from gradlet.frontends.pytorch.tensor import Tensor


def over_axes(op: str) -> Callable[..., Tensor]:
    """(x, dim, keepdim, dtype)"""

    def convert(
        b: Builder, x: Operand, dim: Sequence[int] | int | None = None, keepdim: bool = False, dtype: object = None
    ) -> Tensor:
        return reduced(b, op, x, dim, keepdim)

    return convert


def reduced(b: Builder, op: str, x: Operand, dim: Sequence[int] | int | None, keepdim: bool) -> Tensor:
    x = b.settled(x)
    axes = _axes(x, dim)
    stored = tuple(sorted(x.order.index(axis) for axis in axes))
    value = b(op, x.value, axis=stored, keepdims=keepdim) if axes else x.value
    if keepdim or not axes:
        return b.laid(value, x.order)
    left = sorted(set(x.order) - set(axes))
    return b.laid(value, [left.index(axis) for axis in x.order if axis in left])


def _axes(x: Tensor, dim: Sequence[int] | int | None) -> list[int]:
    given = [dim] if isinstance(dim, int) else dim
    return [axis % len(x.shape) for axis in given] if given else list(range(len(x.shape)))


def variance(
    b: Builder, x: Operand, dim: Sequence[int] | None = None, correction: float | None = 1, keepdim: bool = False
) -> Tensor:
    x = b.settled(x)
    count = 1
    for axis in _axes(x, dim):
        count *= x.shape[axis]
    free = count - (1 if correction is None else correction)
    if free <= 0:
        raise UnsupportedError(f"the variance of {count} elements with correction {correction}")
    centred = binary(b, "sub", x, reduced(b, "mean", x, dim, keepdim=True))
    mean = reduced(b, "mean", binary(b, "mul", centred, centred), dim, keepdim)
    return mean if free == count else scaled(b, mean, count / free)


def deviation(b: Builder, x: Operand, *args: Any, **kwargs: Any) -> Tensor:
    return unary(b, "sqrt", variance(b, x, *args, **kwargs))


def norm(
    b: Builder, x: Operand, ord: float = 2, dim: Sequence[int] | None = None, keepdim: bool = False, **_: Any
) -> Tensor:
    if ord != 2:
        raise UnsupportedError(f"a norm of order {ord}: 2 is supported")
    return unary(b, "sqrt", reduced(b, "sum", binary(b, "mul", x, x), dim, keepdim))


def weight_norm(b: Builder, v: Operand, g: Operand, dim: int = 0) -> Tensor:
    others = [axis for axis in range(len(v.shape)) if axis != dim]
    return binary(b, "mul", v, binary(b, "div", g, norm(b, v, 2, others, keepdim=True)))


CONVERTERS = {
    "aten.mean.default": over_axes("mean"),
    "aten.mean.dim": over_axes("mean"),
    "aten.sum.default": over_axes("sum"),
    "aten.sum.dim_IntList": over_axes("sum"),
    "aten.amax.default": over_axes("max"),
    "aten.max.default": over_axes("max"),
    "aten.max.dim": lambda b, x, dim, keepdim=False: (reduced(b, "max", x, dim, keepdim), None),
    "aten.amin.default": over_axes("min"),
    "aten.min.default": over_axes("min"),
    "aten.min.dim": lambda b, x, dim, keepdim=False: (reduced(b, "min", x, dim, keepdim), None),
    "aten.linalg_vector_norm.default": norm,
    "aten._weight_norm.default": weight_norm,
    "aten.var.correction": variance,
    "aten.var.dim": variance,
    "aten.std.correction": deviation,
    "aten.std.dim": deviation,
}

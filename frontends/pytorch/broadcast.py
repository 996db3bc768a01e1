"""Elementwise nodes whose operands PyTorch broadcasts in its own layout."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlet.frontends.pytorch.builder import Builder, Operand
from gradlet.frontends.pytorch.tensor import Parameter, Shape, Tensor, natural
from gradlet.ir.graph import Value


def unary(b: Builder, op: str, x: Operand, **attrs: Any) -> Tensor:
    """An elementwise node: the result lies as x does."""
    x = b.tensor(x)
    return b.like(b(op, x.value, **attrs), x)


def scaled(b: Builder, x: Operand, factor: float) -> Tensor:
    return unary(b, "scale", x, factor=float(factor))


def shifted(b: Builder, x: Operand, summand: float) -> Tensor:
    x = b.tensor(x)
    return b.like(b("add", x.value, b.full(summand, dtype=x.value.type.dtype)), x) if summand else x


def reciprocal(b: Builder, x: Operand) -> Tensor:
    x = b.tensor(x)
    return b.like(b("div", b.full(1, dtype=x.value.type.dtype), x.value), x)


def negative_part(b: Builder, x: Operand) -> Tensor:
    """max(-x, 0)"""
    return unary(b, "relu", unary(b, "neg", x))


def binary(b: Builder, op: str, x: Operand, y: Operand) -> Tensor:
    """An elementwise node of two tensors; the result lies as the larger one does."""
    if isinstance(x, Tensor) and isinstance(y, Tensor) and _lie_alike(x, y):
        return b.like(b(op, x.value, y.value), x)
    order = _leading_order(b, x, y)
    shape = np.broadcast_shapes(x.shape, y.shape)
    if shape in (x.shape, y.shape):
        return b.laid(b(op, _aligned(b, x, order), _aligned(b, y, order)), order)
    # Both operands are stretched: numpy would do it too, but no kernel has to.
    stretched = b.broadcast(_aligned(b, x, order), tuple(shape[axis] for axis in order))
    return b.laid(b(op, stretched, _aligned(b, y, order)), order)


def _lie_alike(x: Tensor, y: Tensor) -> bool:
    return (x.order, x.shape, x.base) == (y.order, y.shape, y.base)


def _leading_order(b: Builder, x: Operand, y: Operand) -> tuple[int, ...]:
    """The layout of the operand that has the most to move; a parameter has none yet."""
    rank = max(len(x.shape), len(y.shape))
    whole = [t for t in (x, y) if len(t.shape) == rank and isinstance(t, Tensor)]
    if not whole:
        return natural(rank)
    return b.settled(max(whole, key=lambda t: t.value.type.size)).order


def _aligned(b: Builder, x: Operand, order: tuple[int, ...]) -> Value:
    """x with its axes in this order of the result's axes; what it lacks of them is of size 1, or left out in front."""
    lacking = len(order) - len(x.shape)
    own = [axis - lacking for axis in order if axis >= lacking]
    shape = tuple(x.shape[axis - lacking] if axis >= lacking else 1 for axis in order)
    if isinstance(x, Parameter):
        return b.place(x, own, _without_leading_ones(shape))
    value = b.lay(x, own)
    return b.reshape(value, _without_leading_ones(shape)) if lacking else value


def _without_leading_ones(shape: Shape) -> Shape:
    first = next((i for i, size in enumerate(shape) if size != 1), len(shape))
    return shape[first:]

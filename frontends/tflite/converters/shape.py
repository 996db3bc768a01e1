"""What gives elements other places, or repeats them."""

from __future__ import annotations

import math

from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.ir.graph import Value


def reshape(b: Builder, op: Operator) -> Value:
    """To the shape that the file tells of the result, else to the one that is computed."""
    x, y = b.x(op), b.y(op)
    computed = op.name == "RESHAPE" and y.is_open and b.has(op, 1)
    return reshaped(b, x, _computed(b, op, x.type.size) if computed else b.shape(y, x.type.size))


def _computed(b: Builder, op: Operator, size: int) -> tuple[int, ...]:
    """Operand 1, in which -1 stands for what remains."""
    shape = b.integers(op, 1).ravel().tolist()
    rest = math.prod(n for n in shape if n != -1)
    if shape.count(-1) > 1 or rest < 1 or size % rest:
        raise inconsistent(f"{size} elements in the shape {shape}", b.emit.loc)
    return tuple(size // rest if n == -1 else n for n in shape)


def reshaped(b: Builder, x: Value, shape: tuple[int, ...]) -> Value:
    return x if shape == x.type.shape else b("reshape", x, shape=shape)


def transpose(b: Builder, op: Operator) -> Value:
    x, order = b.x(op), b.integers(op, 1).ravel().tolist()
    rank = len(x.type.shape)
    if sorted(axis % max(rank, 1) for axis in order) != list(range(rank)):
        raise inconsistent(f"order {order} of the axes of {x.type}", b.emit.loc)
    return b("transpose", x, axes=tuple(axis % rank for axis in order))


def reverse(b: Builder, op: Operator) -> Value:
    x, axes = b.x(op), b.integers(op, 1).ravel().tolist()
    return b("flip", x, axis=tuple(axes))


def broadcast_to(b: Builder, op: Operator) -> Value:
    """To the shape that the file tells of the result."""
    x = b.x(op)
    shape = b.shape(b.y(op))
    return x if shape == x.type.shape else b("broadcast_to", x, shape=shape)


def tile(b: Builder, op: Operator) -> Value:
    """One axis after the other."""
    x, counts = b.x(op), b.integers(op, 1).ravel().tolist()
    shape = list(x.type.shape)
    if len(counts) != len(shape) or any(count < 1 for count in counts):
        raise inconsistent(f"{x.type} repeated {counts} times", b.emit.loc)
    for axis, count in enumerate(counts):
        if count > 1:
            blocks, rest = math.prod(shape[:axis]), math.prod(shape[axis:])
            repeated = b("broadcast_to", b("reshape", x, shape=(blocks, 1, rest)), shape=(blocks, count, rest))
            shape[axis] *= count
            x = b("reshape", repeated, shape=tuple(shape))
    return x


CONVERTERS = {
    "RESHAPE": reshape,
    "SQUEEZE": reshape,
    "EXPAND_DIMS": reshape,
    "TRANSPOSE": transpose,
    "REVERSE_V2": reverse,
    "BROADCAST_TO": broadcast_to,
    "TILE": tile,
}

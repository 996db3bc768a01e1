"""What moves elements, and changes none."""

from __future__ import annotations

from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.ir.graph import Value


def reshape(b: Builder, op: Operator) -> Value:
    """To the shape that the file tells of the result: TensorFlow says it in three ways."""
    x = b.x(op)
    shape = b.shape(b.y(op), x.type.size)
    return x if shape == x.type.shape else b("reshape", x, shape=shape)


def pad(b: Builder, op: Operator) -> Value:
    """With zeros: in int8 with the zero point."""
    x, amounts = b.x(op), b.integers(op, 1)
    if amounts.shape != (len(x.type.shape), 2) or (amounts < 0).any() or (amounts > 2**16).any():
        raise inconsistent(f"padding {amounts.tolist()} of {x.type}", b.emit.loc)
    value = float(b.scale(b.y(op))[1]) if b.is_int8(op) else 0.0
    return b("pad", x, before=tuple(amounts[:, 0].tolist()), after=tuple(amounts[:, 1].tolist()), value=value)


def transpose(b: Builder, op: Operator) -> Value:
    x, order = b.x(op), b.integers(op, 1).ravel().tolist()
    b.is_int8(op)
    rank = len(x.type.shape)
    if sorted(axis % max(rank, 1) for axis in order) != list(range(rank)):
        raise inconsistent(f"order {order} of the axes of {x.type}", b.emit.loc)
    return b("transpose", x, axes=tuple(axis % rank for axis in order))


def concatenation(b: Builder, op: Operator) -> Value:
    table, parts = "ConcatenationOptions", [b.x(op, k) for k in range(len(op.inputs))]
    b.is_int8(op)
    if b.option(op, table, "fused_activation_function"):
        raise inconsistent(f"{op.name} has an activation", b.emit.loc)
    return b("concat", *parts, axis=b.option(op, table, "axis"))


CONVERTERS = {
    "RESHAPE": reshape,
    "SQUEEZE": reshape,
    "PAD": pad,
    "TRANSPOSE": transpose,
    "CONCATENATION": concatenation,
}

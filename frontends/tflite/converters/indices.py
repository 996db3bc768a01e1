"""What takes elements by their index, and finds the index of the largest."""

from __future__ import annotations

from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.frontends.tflite.problems import UnsupportedError
from gradlet.ir.graph import Value
from gradlet.ir.tensor_type import i32


def gather(b: Builder, op: Operator) -> Value:
    if b.option(op, "GatherOptions", "batch_dims"):
        raise UnsupportedError("with batch dimensions")
    return _taken(b, op, 0, 1, b.option(op, "GatherOptions", "axis"))


def embedding_lookup(b: Builder, op: Operator) -> Value:
    return _taken(b, op, 1, 0, 0)


def _taken(b: Builder, op: Operator, table: int, numbers: int, axis: int) -> Value:
    """Indices of an axis of an operand; a constant of floats learns, and constant indices are checked."""
    is_learning = b.is_constant(op, table) and b.constant(op, table).dtype.kind == "f"
    x = b.parameter("weight", b.floats(op, table)) if is_learning else b.x(op, table)
    rank = len(x.type.shape)
    if not -rank <= axis < rank:
        raise inconsistent(f"{op.name} along axis {axis} of {x.type}", b.emit.loc)
    if not b.is_constant(op, numbers):
        return b("gather", x, b.x(op, numbers), axis=axis % rank)
    indices = b.integers(op, numbers)
    if ((indices < 0) | (indices >= x.type.shape[axis])).any():
        raise inconsistent(f"{op.name} takes what axis {axis} of {x.type} does not have", b.emit.loc)
    return b("gather", x, b.buffer("indices", indices, i32(*indices.shape)), axis=axis % rank)


def argmax(b: Builder, op: Operator) -> Value:
    """Inside of a model, or along another axis than the last; one at its end is a prediction, not a logit."""
    x, axes = b.x(op), b.integers(op, 1).ravel().tolist()
    rank = len(x.type.shape)
    if len(axes) != 1 or not -rank <= axes[0] < rank:
        raise inconsistent(f"{op.name} along axes {axes} of {x.type}", b.emit.loc)
    return b("argmax", x, axis=axes[0] % rank)


CONVERTERS = {"GATHER": gather, "EMBEDDING_LOOKUP": embedding_lookup, "ARG_MAX": argmax}

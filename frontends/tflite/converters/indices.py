"""What takes elements by their index, and finds the index of the largest."""

from __future__ import annotations

from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.frontends.tflite.problems import UnsupportedError
from gradlet.ir.graph import Value
from gradlet.ir.tensor_type import i32


def gather(b: Builder, op: Operator) -> Value:
    """Rows of a table of floats learn; constant indices are checked."""
    if b.option(op, "GatherOptions", "batch_dims"):
        raise UnsupportedError("with batch dimensions")
    x = b.parameter("weight", b.floats(op, 0)) if _is_table(b, op) else b.x(op)
    rank, axis = len(x.type.shape), b.option(op, "GatherOptions", "axis")
    if not -rank <= axis < rank:
        raise inconsistent(f"{op.name} along axis {axis} of {x.type}", b.emit.loc)
    if not b.is_constant(op, 1):
        return b("gather", x, b.x(op, 1), axis=axis % rank)
    indices = b.integers(op, 1)
    if ((indices < 0) | (indices >= x.type.shape[axis])).any():
        raise inconsistent(f"{op.name} takes what axis {axis} of {x.type} does not have", b.emit.loc)
    return b("gather", x, b.buffer("indices", indices, i32(*indices.shape)), axis=axis % rank)


def _is_table(b: Builder, op: Operator) -> bool:
    return b.is_constant(op, 0) and b.constant(op, 0).dtype.kind == "f"


def argmax(b: Builder, op: Operator) -> Value:
    """Inside of a model, or along another axis than the last; one at its end is a prediction, not a logit."""
    x, axes = b.x(op), b.integers(op, 1).ravel().tolist()
    rank = len(x.type.shape)
    if len(axes) != 1 or not -rank <= axes[0] < rank:
        raise inconsistent(f"{op.name} along axes {axes} of {x.type}", b.emit.loc)
    return b("argmax", x, axis=axes[0] % rank)


CONVERTERS = {"GATHER": gather, "ARG_MAX": argmax}

"""Products of matrices, a batch of them at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.converters.arithmetic import scales
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.ir.graph import Value

_TABLE = "BatchMatMulOptions"


def batch_matmul(b: Builder, op: Operator) -> Value:
    x, y = b.x(op, 0), b.x(op, 1)
    if len(x.type.shape) < 2 or len(y.type.shape) < 2:
        raise inconsistent(f"{op.name} of {x.type} and {y.type}", b.emit.loc)
    leading = _leading(b, x, y)
    attrs: dict[str, Any] = {
        "transpose_a": b.option(op, _TABLE, "adj_x"),
        "transpose_b": b.option(op, _TABLE, "adj_y"),
    }
    x, y = (_spread(b, v, leading) for v in (x, y))
    result = b("qmatmul", x, y, **attrs, **scales(b, op)) if b.is_int8(op) else b("matmul", x, y, **attrs)
    shape = (*leading, *result.type.shape[-2:])
    return result if result.type.shape == shape else b("reshape", result, shape=shape)


def _leading(b: Builder, x: Value, y: Value) -> tuple[int, ...]:
    """The axes of the batch, which are broadcast."""
    try:
        return np.broadcast_shapes(x.type.shape[:-2], y.type.shape[:-2])
    except ValueError:
        raise inconsistent(f"batches of {x.type} and {y.type}", b.emit.loc) from None


def _spread(b: Builder, x: Value, leading: tuple[int, ...]) -> Value:
    """With these leading axes, or none where all of the batch share one matrix."""
    own, matrix = x.type.shape[:-2], x.type.shape[-2:]
    if own == leading:
        return x
    if all(n == 1 for n in own):
        return b("reshape", x, shape=matrix) if own else x
    return b("broadcast_to", x, shape=(*leading, *matrix))


CONVERTERS = {"BATCH_MATMUL": batch_matmul}

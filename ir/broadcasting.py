"""Numpy's broadcasting: the shape of the result, and the gradient of an operand that was repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gradlet.ir.graph import Node, Value
from gradlet.ir.op_def import Emit
from gradlet.ir.tensor_type import TensorType


def broadcast_shape(types: Sequence[TensorType]) -> tuple[int, ...]:
    """Shape of an elementwise op on these operands; `ValueError` when they do not broadcast."""
    try:
        return np.broadcast_shapes(*(t.shape for t in types))
    except ValueError:
        raise ValueError(f"{' and '.join(map(str, types))} do not broadcast: an axis differs and is not 1") from None


def sum_to(emit: Emit, grad: Value, shape: tuple[int, ...]) -> Value:
    """The gradient of an operand of this shape, from the gradient of what it was broadcast to."""
    extra = len(grad.type.shape) - len(shape)
    repeated = [extra + a for a, n in enumerate(shape) if n == 1 and grad.type.shape[extra + a] != 1]
    if axes := (*range(extra), *repeated):
        grad = emit("sum", grad, axis=axes)
    return grad if grad.type.shape == shape else emit("reshape", grad, shape=shape)


def slices(node: Node) -> Mapping[int, Sequence[tuple[int, int]]]:
    """A slice of the output is the op on slices of the operands, where these are not repeated."""
    shape = node.outputs[0].type.shape
    through: dict[int, list[tuple[int, int]]] = {axis: [] for axis in range(len(shape))}
    for i, value in enumerate(node.inputs):
        extra = len(shape) - len(value.type.shape)
        for axis, size in enumerate(value.type.shape):
            if size == shape[extra + axis]:
                through[extra + axis].append((i, axis))
    return through

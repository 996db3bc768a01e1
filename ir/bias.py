"""The bias that linear ops add along their last axis."""

from __future__ import annotations

from collections.abc import Sequence

from gradlet.ir.graph import Value
from gradlet.ir.op_def import Emit
from gradlet.ir.tensor_type import TensorType


def check_bias(bias: Sequence[TensorType], channels: int) -> None:
    """Raises ValueError unless there is no bias, or one with an entry for each output channel."""
    if bias and bias[0].shape != (channels,):
        raise ValueError(f"bias {bias[0]} does not match {channels} output channels")


def bias_gradient(emit: Emit, g: Value) -> Value:
    """The sum over all axes but the last."""
    axes = tuple(range(len(g.type.shape) - 1))
    return emit("sum", g, axis=axes) if axes else g

"""Keras writes `where(i < 0, i + size, i)` before it takes the rows i of a table: op `gather` does that itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gradlet.frontends.tflite.model import Model, Operator, Tensor


def without_wrapping(model: Model) -> Model:
    """The model with GATHERs that read i."""
    makers = {tensor.index: operator for operator in model.operators for tensor in operator.outputs}
    return replace(model, operators=tuple(_unwrapped(operator, makers) for operator in model.operators))


def _unwrapped(operator: Operator, makers: Mapping[int, Operator]) -> Operator:
    if operator.name != "GATHER" or len(operator.inputs) != 2 or not all(operator.inputs):
        return operator
    table, indices = (tensor for tensor in operator.inputs if tensor)
    axis = operator.options.get("axis", 0)
    if not -len(table.shape) <= axis < len(table.shape):
        return operator
    plain = _before_wrapping(indices, table.shape[axis], makers)
    return replace(operator, inputs=(table, plain)) if plain else operator


def _before_wrapping(indices: Tensor, size: int, makers: Mapping[int, Operator]) -> Tensor | None:
    """i, if the indices are `where(i < 0, i + size, i)`."""
    condition, wrapped, plain = _operands(makers, indices, "SELECT", "SELECT_V2", count=3)
    left, zero = _operands(makers, condition, "LESS", count=2)
    right, added = _operands(makers, wrapped, "ADD", count=2)
    return plain if plain and left is plain is right and _is(zero, 0) and _is(added, size) else None


def _operands(
    makers: Mapping[int, Operator], made: Tensor | None, *names: str, count: int
) -> tuple[Tensor | None, ...]:
    """Those of the operator that makes a tensor, if it has one of these names; else nothing."""
    maker = makers.get(made.index) if made else None
    is_known = maker is not None and maker.name in names and len(maker.inputs) == count
    return maker.inputs if maker and is_known else (None,) * count


def _is(tensor: Tensor | None, number: int) -> bool:
    return tensor is not None and tensor.content is not None and bool((tensor.content == number).all())

"""What ops that treat every element alike share: their type rule, the slices through them, samples off their kinks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gradlet.ir.graph import Attrs, Node
from gradlet.ir.op_def import Sampler, normal
from gradlet.ir.tensor_type import TensorType


def check_count(types: Sequence[TensorType], *counts: int) -> None:
    """Raises unless there is one of these numbers of operands."""
    if len(types) not in counts:
        raise ValueError(f"wants {' or '.join(map(str, counts))} operands, got {len(types)}")


def check_float(*types: TensorType) -> None:
    for t in types:
        if not t.dtype.is_float:
            raise ValueError(f"{t} is not of floating point")


def floats_of_one_shape(count: int) -> Callable[[Sequence[TensorType], Attrs], list[TensorType]]:
    """The type rule of an op on `count` float tensors of one type; the output has it too."""

    def infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
        check_count(types, count)
        check_float(types[0])
        check_same(*types)
        return [types[0]]

    return infer


def check_same(*types: TensorType) -> None:
    if any((t.dtype, t.shape) != (types[0].dtype, types[0].shape) for t in types):
        raise ValueError(f"{' and '.join(map(str, types))} differ")


def slices(node: Node) -> Mapping[int, Sequence[tuple[int, int]]]:
    """A slice of the output is the op on slices of the inputs, when all have one shape."""
    return {axis: [(i, axis) for i in range(len(node.inputs))] for axis in range(len(node.outputs[0].type.shape))}


def away_from(*kinks: float) -> Sampler:
    """Normal samples, none closer than 0.1 to a point where the op has no derivative."""

    def moved(x: np.ndarray) -> np.ndarray:
        for kink in kinks if x.dtype.kind == "f" else ():
            x = np.where(np.abs(x - kink) < 0.1, x + np.asarray(0.25, x.dtype), x)
        return x

    return lambda types, rng: [moved(x) for x in normal(types, rng)]


def positive(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Inputs for logarithms, roots and quotients: floats between 0.5 and 2."""
    return [rng.uniform(0.5, 2, size=t.shape).astype(t.dtype.numpy) for t in types]


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) without overflow, and without losing the small values."""
    result: np.ndarray = np.exp(-np.logaddexp(0, -x))
    return result

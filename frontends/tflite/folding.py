"""Operators of constants are computed at once: TensorFlow leaves the arithmetic of shapes in its models."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.frontends.tflite.problems import UnsupportedError
from gradlet.ir.graph import Value

Convert = Callable[[Builder, Operator], Value | Sequence[Value] | None]
# Of one constant that is made of smaller ones.
_MOST_ELEMENTS = 2**22

# Of integers: int8 and floats are computed by what their converters emit.
_ARITHMETIC: dict[str, Callable[..., np.ndarray]] = {
    "ADD": np.add,
    "SUB": np.subtract,
    "MUL": np.multiply,
    "FLOOR_DIV": np.floor_divide,
    "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum,
}


def folded(b: Builder, op: Operator, convert: Convert) -> list[np.ndarray] | None:
    """The results of an operator that are known already; None for one that has to run.

    Args:
        convert: The operator's converter: what it emits is evaluated, and removed again.
    """
    if op.name in ("SHAPE", "RANK"):
        shape = np.array(b.shape_of(op, 0), np.int32)
        return [shape if op.name == "SHAPE" else np.array(shape.size, np.int32)]
    if not all(b.is_constant(op, k) for k in range(len(op.inputs)) if b.has(op, k)):
        return None
    _check_size(b, op, max(math.prod(tensor.shape) for tensor in op.outputs))
    if op.name in _MADE:
        return [_MADE[op.name](b, op)]
    if op.name in _ARITHMETIC and b.constant(op, 0).dtype.kind == "i" and b.operand(op, 0).quantization is None:
        return [_computed(b, op)]
    return _evaluated(b, op, convert)


def _check_size(b: Builder, op: Operator, elements: int) -> None:
    """That files which are small make no large constants."""
    given = (b.constant(op, k).size for k in range(len(op.inputs)) if b.has(op, k))
    if elements > max([_MOST_ELEMENTS, *given]):
        raise UnsupportedError(f"a constant of {elements:,} elements")


def _computed(b: Builder, op: Operator) -> np.ndarray:
    left, right, y = b.integers(op, 0), b.integers(op, 1), b.y(op)
    if op.name == "FLOOR_DIV" and not right.all():
        raise inconsistent("a constant is divided by zero", b.emit.loc)
    if not _gives(y.shape, left.shape, right.shape):
        what = f"{op.name} of constants {list(left.shape)} and {list(right.shape)}, the file says {list(y.shape)}"
        raise inconsistent(what, b.emit.loc)
    return _ARITHMETIC[op.name](left, right)


def _gives(shape: tuple[int, ...], *operands: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(*operands) == shape
    except ValueError:
        return False


def _fill(b: Builder, op: Operator) -> np.ndarray:
    """Of the shape that the file tells of the result."""
    value = b.constant(op, 1)
    if value.size != 1:
        raise inconsistent(f"{op.name} with {value.size} values", b.emit.loc)
    return np.full(b.shape(b.y(op)), value.ravel()[0])


def _range(b: Builder, op: Operator) -> np.ndarray:
    start, limit, delta = (b.constant(op, k).ravel()[:1] for k in range(3))
    if not delta.any():
        raise inconsistent(f"{op.name} in steps of 0", b.emit.loc)
    count = max(0.0, float(np.ceil((float(limit[0]) - float(start[0])) / float(delta[0]))))
    if (count,) != b.y(op).shape:
        raise inconsistent(f"{op.name} of {count:g} numbers, the file says {list(b.y(op).shape)}", b.emit.loc)
    return np.asarray(start + np.arange(int(count)) * delta, start.dtype)


def _product(b: Builder, op: Operator) -> np.ndarray:
    x, axes = b.integers(op, 0), tuple(b.integers(op, 1).ravel().tolist())
    if not all(-x.ndim <= axis < x.ndim for axis in axes):
        raise inconsistent(f"a product over axes {list(axes)} of {x.ndim}", b.emit.loc)
    return np.asarray(x.prod(axes, x.dtype, keepdims=b.option(op, "ReducerOptions", "keep_dims")))


_MADE = {"FILL": _fill, "RANGE": _range, "REDUCE_PROD": _product}


def _evaluated(b: Builder, op: Operator, convert: Convert) -> list[np.ndarray]:
    """By the meaning of the nodes that the converter emits."""
    graph, nodes, states = b.graph, len(b.graph.nodes), len(b.graph.states)
    made = convert(b, op)
    if made is None:
        return [b.contents[tensor.index] for tensor in op.outputs]
    known = {state.value: state.init for state in graph.states[states:]}
    for node in graph.nodes[nodes:]:
        _check_size(b, op, max(value.type.size for value in node.outputs))
        results = b.emit.ops[node.op].evaluate([known[value] for value in node.inputs], node.attrs)
        known |= {value: np.asarray(result) for value, result in zip(node.outputs, results, strict=True)}
    for node in reversed(graph.nodes[nodes:]):
        graph.remove(node)
    del graph.states[states:]
    return [known[value] for value in ([made] if isinstance(made, Value) else made)]

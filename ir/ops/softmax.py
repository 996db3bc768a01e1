"""softmax and log_softmax along one axis, and their gradients."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gradlet.ir.axes import axis_of
from gradlet.ir.elementwise import floats_of_one_shape
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.tensor_type import TensorType, f32


def _infer(count: int) -> Callable[[Sequence[TensorType], Attrs], list[TensorType]]:
    def infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
        out = floats_of_one_shape(count)(types, attrs)
        axis_of(attrs, len(types[0].shape), default=-1)
        return out

    return infer


def _slices(node: Node) -> Mapping[int, Sequence[tuple[int, int]]]:
    rank = len(node.outputs[0].type.shape)
    normalized = axis_of(node.attrs, rank, default=-1)
    return {a: [(i, a) for i in range(len(node.inputs))] for a in range(rank) if a != normalized}


def log_softmax(x: np.ndarray, axis: int) -> np.ndarray:
    shifted = x - x.max(axis=axis, keepdims=True)
    result: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return result


def _softmax_grad(args: Arrays, attrs: Attrs) -> Results:
    g, y = args
    return [y * (g - (g * y).sum(axis=attrs.get("axis", -1), keepdims=True))]


def _log_softmax_grad(args: Arrays, attrs: Attrs) -> Results:
    g, y = args
    return [g - np.exp(y) * g.sum(axis=attrs.get("axis", -1), keepdims=True)]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit(f"{node.op}_grad", grads[0], node.outputs[0], axis=node.attrs.get("axis", -1))]


def _forward(name: str, evaluate: Callable[[np.ndarray, int], np.ndarray]) -> OpDef:
    return OpDef(
        name=name,
        infer=_infer(1),
        evaluate=lambda args, attrs: [evaluate(args[0], attrs.get("axis", -1))],
        gradient=_gradient,
        may_overwrite={0: (0,)},
        slices=_slices,
        examples=[
            Example([f32(4, 5)]),
            Example([f32(2, 5, 3)], {"axis": 1}),
            Example([f32(7)], {"axis": 0}),
            Example([f32(2, 2, 3, 4)], {"axis": -1}),
        ],
    )


# Both take the *output* of the op.
def _backward(name: str, evaluate: Callable[[Arrays, Attrs], Results]) -> OpDef:
    return OpDef(
        name=name,
        infer=_infer(2),
        evaluate=evaluate,
        may_overwrite={0: (0, 1)},
        slices=_slices,
        examples=[Example([f32(4, 5), f32(4, 5)]), Example([f32(2, 5, 3), f32(2, 5, 3)], {"axis": 1})],
    )


OPS = (
    _forward("softmax", lambda x, axis: np.exp(log_softmax(x, axis))),
    _forward("log_softmax", log_softmax),
    _backward("softmax_grad", _softmax_grad),
    _backward("log_softmax_grad", _log_softmax_grad),
)

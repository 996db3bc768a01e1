"""sum, mean, max and min over some axes, and the gradient of the extremes."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gradlet.ir.axes import axes_of, kept_axes, reduced_shape
from gradlet.ir.elementwise import check_count, check_float
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.quantized_samples import distinct, i8, i16, q8, q16
from gradlet.ir.requantize import DTYPES
from gradlet.ir.tensor_type import DType, TensorType, f32, i32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    if types[0].dtype is DType.B1:
        raise ValueError(f"{types[0]} holds no numbers")
    return [TensorType(types[0].dtype, reduced_shape(types[0], attrs))]


def _infer_extreme(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    (y,) = _infer(types, attrs)
    return [types[0].with_shape(*y.shape)]


def _infer_mean(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_float(*types)
    return _infer(types, attrs)


def _evaluate(reduction: Callable[..., np.ndarray]) -> Callable[[Arrays, Attrs], Results]:
    def evaluate(args: Arrays, attrs: Attrs) -> Results:
        (x,) = args
        reduced = reduction(x, axis=tuple(attrs["axis"]), keepdims=attrs.get("keepdims", False))
        # numpy sums small integers in large ones.
        return [reduced.astype(x.dtype)]

    return evaluate


def _slices(node: Node) -> Mapping[int, Sequence[tuple[int, int]]]:
    x = node.inputs[0].type
    kept = kept_axes(node.attrs, len(x.shape))
    if node.attrs.get("keepdims", False):
        return {a: [(0, a)] for a in kept}
    return {k: [(0, a)] for k, a in enumerate(kept)}


def _spread(emit: Emit, node: Node, grad: Value) -> Value:
    """Gives every element that was reduced the gradient of the result."""
    x = node.inputs[0].type
    shape = reduced_shape(x, {**node.attrs, "keepdims": True})
    grad = grad if grad.type.shape == shape else emit("reshape", grad, shape=shape)
    return grad if shape == x.shape else emit("broadcast_to", grad, shape=x.shape)


def _gradient_sum(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [_spread(emit, node, grads[0]) if grads[0].type.dtype.is_float else None]


def _gradient_mean(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    x = node.inputs[0].type
    count = math.prod(x.shape[a] for a in axes_of(node.attrs, len(x.shape)))
    # Scaled before it is spread: that is less work.
    return [_spread(emit, node, emit("scale", grads[0], factor=1 / count))]


def _gradient_extreme(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    g, (x,), (y,) = grads[0], node.inputs, node.outputs
    assert g is not None
    # Of a minimum as well: it goes to what equals the result.
    return [emit("max_grad", g, x, y, **node.attrs) if g.type.dtype.is_float else None]


_EXAMPLES = [
    Example([f32(3, 4)], {"axis": (0,)}),
    Example([f32(3, 4)], {"axis": (1,)}),
    Example([f32(2, 3, 4, 5)], {"axis": (1, 2)}),
    Example([f32(2, 3, 4, 5)], {"axis": (0, 2), "keepdims": True}),
    Example([f32(2, 3, 4)], {"axis": (-1, 0)}),
    Example([f32(2, 3)], {"axis": (0, 1), "keepdims": False}),
    Example([f32(5)], {"axis": ()}),
    Example([f32()], {"axis": ()}),
]
_INTEGERS = [Example([i32(3, 4)], {"axis": (0,)}, differentiable=())]

SUM = OpDef(
    name="sum",
    infer=_infer,
    evaluate=_evaluate(np.sum),
    gradient=_gradient_sum,
    slices=_slices,
    examples=_EXAMPLES + _INTEGERS,
)

MEAN = OpDef(
    name="mean",
    infer=_infer_mean,
    evaluate=_evaluate(np.mean),
    gradient=_gradient_mean,
    slices=_slices,
    examples=_EXAMPLES,
)


def _different(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Integers of which no two are equal."""
    return [distinct(t, rng) for t in types]


def _extreme(name: str, reduction: Callable[..., np.ndarray]) -> OpDef:
    quantized = [
        Example([q8(2, 3, 4, 5)], {"axis": (1, 2)}, _different),
        Example([q8(3, 7)], {"axis": (-1,), "keepdims": True}, _different),
        Example([q16(2, 3, 4, 5)], {"axis": (1, 2)}, _different),
    ]
    return OpDef(
        name=name,
        infer=_infer_extreme,
        evaluate=_evaluate(reduction),
        gradient=_gradient_extreme,
        slices=_slices,
        examples=_EXAMPLES + _INTEGERS + quantized,
    )


def _infer_max_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 3)
    g, x, y = types
    check_float(g)
    reduced = reduced_shape(x, attrs)
    if g.shape != reduced or y != x.with_shape(*reduced) or x.dtype not in (g.dtype, *DTYPES.values()):
        raise ValueError(f"gradient {g} and maximum {y} of {x} are to have shape {list(reduced)}")
    return [g.with_shape(*x.shape)]


def _evaluate_max_grad(args: Arrays, attrs: Attrs) -> Results:
    _, x, _ = args
    axes = axes_of(attrs, x.ndim)
    g, y = (a.reshape(tuple(1 if k in axes else n for k, n in enumerate(x.shape))) for a in (args[0], args[2]))
    ties = x == y
    return [np.where(ties, g / ties.sum(axis=axes, keepdims=True).astype(g.dtype), g.dtype.type(0))]


def _sample_max_grad(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Small whole numbers, so that there are ties; the maximum that belongs to them."""
    g, x, y = types
    drawn = rng.integers(0, 3, size=x.shape).astype(x.dtype.numpy)
    lost = [a for a in range(len(x.shape)) if len(y.shape) == len(x.shape) and y.shape[a] == 1]
    axes = tuple(lost) if len(y.shape) == len(x.shape) else tuple(range(len(x.shape) - len(y.shape)))
    return [rng.normal(size=g.shape).astype(np.float32), drawn, drawn.max(axis=axes).reshape(y.shape)]


MAX_GRAD = OpDef(
    name="max_grad",
    infer=_infer_max_grad,
    evaluate=_evaluate_max_grad,
    may_overwrite={0: (1,)},
    examples=[
        Example([f32(4), f32(5, 4), f32(4)], {"axis": (0,)}, sample=_sample_max_grad),
        Example([f32(3, 1), f32(3, 5), f32(3, 1)], {"axis": (1,), "keepdims": True}, sample=_sample_max_grad),
        Example([f32(), f32(3, 5), f32()], {"axis": (0, 1)}, sample=_sample_max_grad),
        Example([f32(4), i8(5, 4), i8(4)], {"axis": (0,)}, _sample_max_grad, ()),
        Example([f32(4), i16(5, 4), i16(4)], {"axis": (0,)}, _sample_max_grad, ()),
    ],
)

OPS = (SUM, MEAN, _extreme("max", np.max), _extreme("min", np.min), MAX_GRAD)

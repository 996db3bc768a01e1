"""max_pool2d(x): the largest element in each window of a channel, and its gradient."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import check_count
from gradlet.ir.gradient_epilogue import LIMITS
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.quantized_samples import distinct, i8, i16, integers, q8, q16
from gradlet.ir.tensor_type import TensorType, f32
from gradlet.ir.windows import Window, check_image


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    (x,) = types
    check_image(x, "x")
    window = Window.of(attrs)
    window.check_pooling()
    return [x.with_shape(x.shape[0], *window.output_size(x.shape), x.shape[3])]


def _gather(x: np.ndarray, attrs: Attrs) -> np.ndarray:
    """The windows, as floats; padding never wins."""
    return Window.of(attrs).gather(x.astype(np.result_type(x, np.float32)), fill=-np.inf)


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    return [_gather(args[0], attrs).max(axis=3).astype(args[0].dtype)]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("max_pool2d_grad", grads[0], node.inputs[0], **node.attrs)]


def _infer_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    g, x = types
    (y,) = _infer([x], attrs)
    if g.shape != y.shape:
        raise ValueError(f"gradient {g} does not have the shape of the output {y}")
    if not g.dtype.is_float and (g.dtype not in LIMITS or Window.of(attrs).overlaps):
        raise ValueError(f"integers {g} may only be moved, to windows that do not overlap")
    return [TensorType(g.dtype, x.shape)]


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    g, x = args
    columns = _gather(x, attrs)
    # argmax finds the first of equal maxima, which takes all, as in PyTorch.
    winner = columns.argmax(axis=3)[:, :, :, None] == np.arange(columns.shape[3])[:, None]
    return [Window.of(attrs).scatter(winner * g[:, :, :, None], x.shape)]


def _distinct(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Where maxima are equal, there is no slope."""
    return [distinct(t, rng) for t in types]


def _ties(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Draws an input whose windows hold equal maxima."""
    g, x = types
    return [rng.normal(size=g.shape).astype(np.float32), rng.integers(0, 2, size=x.shape).astype(x.dtype.numpy)]


def _lowest(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Draws an input of the two lowest integers: some windows hold nothing above what might stand for padding."""
    g, x = _ties(types, rng)
    return [g, (x.astype(int) + np.iinfo(x.dtype).min).astype(x.dtype)]


HALVED = {"kernel": (2, 2), "strides": (2, 2), "padding": (0, 0, 0, 0)}
OVERLAPPING = {"kernel": (3, 3), "strides": (2, 2), "padding": (1, 1, 1, 1)}
APART = {"kernel": (2, 2), "strides": (3, 3), "padding": (1, 0, 0, 1)}
UNEVEN = {"kernel": (3, 2), "strides": (1, 2), "padding": (2, 0, 0, 1)}

MAX_POOL2D = OpDef(
    name="max_pool2d",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    examples=[
        Example([f32(2, 4, 5, 3)], HALVED),
        Example([f32(1, 5, 6, 9)], OVERLAPPING),
        Example([f32(1, 4, 5, 2)], UNEVEN),
        Example([q8(1, 4, 5, 10)], HALVED, _distinct),
        Example([q8(2, 5, 6, 4)], OVERLAPPING, _distinct),
        Example([q8(1, 4, 5, 3)], UNEVEN, _distinct),
        Example([q16(2, 5, 6, 4)], OVERLAPPING, _distinct),
    ],
)

MAX_POOL2D_GRAD = OpDef(
    name="max_pool2d_grad",
    infer=_infer_grad,
    evaluate=_evaluate_grad,
    examples=[
        Example([f32(2, 2, 2, 3), f32(2, 4, 5, 3)], HALVED),
        Example([f32(1, 3, 3, 9), f32(1, 5, 6, 9)], OVERLAPPING),
        Example([f32(1, 4, 3, 2), f32(1, 4, 5, 2)], UNEVEN),
        Example([f32(1, 3, 3, 9), f32(1, 5, 6, 9)], OVERLAPPING, sample=_ties),
        Example([f32(2, 2, 2, 3), q8(2, 4, 5, 3)], HALVED, integers()),
        Example([f32(1, 3, 3, 9), q8(1, 5, 6, 9)], OVERLAPPING, sample=_lowest),
        # Integers of a gradient are moved; some pixels lie in no window.
        Example([i8(2, 2, 2, 3), q8(2, 4, 5, 3)], HALVED, integers(), ()),
        Example([i16(1, 2, 3, 5), q16(1, 6, 8, 5)], APART, integers(), ()),
        Example([f32(1, 3, 3, 9), q16(1, 5, 6, 9)], OVERLAPPING, sample=_lowest),
    ],
)

OPS = (MAX_POOL2D, MAX_POOL2D_GRAD)

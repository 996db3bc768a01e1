"""avg_pool2d(x): the mean of each window of a channel, and its gradient."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.tensor_type import TensorType, f32
from gradlet.ir.windows import Window, check_image, integers


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    (x,) = types
    check_image(x, "x")
    window = Window.of(attrs)
    window.check_pooling()
    return [x.with_shape(x.shape[0], *window.output_size(x.shape), x.shape[3])]


def _divisor(shape: Sequence[int], dtype: np.dtype[np.generic], attrs: Attrs) -> np.ndarray:
    """What each window's sum is divided by, [1, output height, output width, 1]."""
    window = Window.of(attrs)
    padding_value = 1.0 if attrs.get("count_include_pad", True) else 0.0
    counted: np.ndarray = window.gather(np.ones((1, shape[1], shape[2], 1), dtype), padding_value).sum(axis=3)
    return counted


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    (x,) = args
    return [Window.of(attrs).gather(x).sum(axis=3) / _divisor(x.shape, x.dtype, attrs)]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("avg_pool2d_grad", grads[0], input_shape=node.inputs[0].type.shape, **node.attrs)]


def _infer_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    (g,) = types
    shape = integers(attrs, "input_shape", 4, 1)
    (y,) = _infer([g.with_shape(*shape)], attrs)
    if g.shape != y.shape:
        raise ValueError(f"gradient {g} does not have the shape of the output {y}")
    return [g.with_shape(*shape)]


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    (g,), shape, window = args, attrs["input_shape"], Window.of(attrs)
    # A share of each output for each of its taps; sums are those of the taps in their order.
    shared = g * (1 / _divisor(shape, g.dtype, attrs))
    columns = np.broadcast_to(shared[:, :, :, None], (*g.shape[:3], window.taps, g.shape[3]))
    return [window.scatter(columns, shape)]


def _gradient_grad(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("avg_pool2d", grads[0], **{k: v for k, v in node.attrs.items() if k != "input_shape"})]


HALVED = {"kernel": (2, 2), "strides": (2, 2), "padding": (0, 0, 0, 0), "count_include_pad": True}
WITH_PAD = {"kernel": (3, 3), "strides": (2, 2), "padding": (1, 1, 1, 1), "count_include_pad": True}
WITHOUT_PAD = {"kernel": (3, 2), "strides": (1, 2), "padding": (2, 0, 0, 1), "count_include_pad": False}
GLOBAL = {"kernel": (4, 5), "strides": (4, 5), "padding": (0, 0, 0, 0)}

AVG_POOL2D = OpDef(
    name="avg_pool2d",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    examples=[
        Example([f32(2, 4, 5, 3)], HALVED),
        Example([f32(1, 5, 6, 9)], WITH_PAD),
        Example([f32(1, 4, 5, 2)], WITHOUT_PAD),
        Example([f32(2, 4, 5, 6)], GLOBAL),
    ],
)

AVG_POOL2D_GRAD = OpDef(
    name="avg_pool2d_grad",
    infer=_infer_grad,
    evaluate=_evaluate_grad,
    gradient=_gradient_grad,
    examples=[
        Example([f32(2, 2, 2, 3)], HALVED | {"input_shape": (2, 4, 5, 3)}),
        Example([f32(1, 3, 3, 9)], WITH_PAD | {"input_shape": (1, 5, 6, 9)}),
        Example([f32(1, 4, 3, 2)], WITHOUT_PAD | {"input_shape": (1, 4, 5, 2)}),
        Example([f32(2, 1, 1, 6)], GLOBAL | {"input_shape": (2, 4, 5, 6)}),
    ],
)

OPS = (AVG_POOL2D, AVG_POOL2D_GRAD)

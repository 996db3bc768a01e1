"""depthwise_conv2d(x, w, bias?): each output channel looks at one input channel; an activation, and its gradients."""

from collections.abc import Mapping, Sequence

import numpy as np

from gradlet.ir.activations import activate, activation_gradient, check_activation
from gradlet.ir.bias import bias_gradient, check_bias
from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.tensor_type import TensorType, f32
from gradlet.ir.windows import Window, check_image, integers


def _check_multiple(outputs: int, channels: int) -> None:
    if outputs % channels:
        raise ValueError(f"{outputs} output channels are no multiple of {channels} input channels")


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2, 3)
    x, w, *bias = types
    check_image(x, "x")
    _check_weights(w)
    _check_multiple(w.shape[2], x.shape[3])
    check_bias(bias, w.shape[2])
    check_activation(attrs)
    size = Window.of(attrs, w.shape[:2]).output_size(x.shape)
    return [TensorType(x.dtype, (x.shape[0], *size, w.shape[2]))]


def _check_weights(w: TensorType) -> None:
    if len(w.shape) != 3:
        raise ValueError(f"weights {w} have {len(w.shape)} axes, not the three of HWC")


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    x, w, *bias = args
    columns = Window.of(attrs, w.shape[:2]).gather(x)
    # Output channel c * m + j reads input channel c.
    filters = w.reshape(columns.shape[3], x.shape[3], -1)
    y = sum(columns[:, :, :, t, :, None] * filters[t] for t in range(len(filters)))
    y = np.asarray(y).reshape(*columns.shape[:3], w.shape[2])
    return [activate(y + bias[0] if bias else y, attrs)]


def _window_attrs(node: Node) -> dict[str, object]:
    """The attributes that the gradients share with the convolution."""
    return {k: node.attrs[k] for k in ("strides", "padding", "dilation") if k in node.attrs}


def _input_grad(emit: Emit, node: Node, g: Value, w: Value, x: Value) -> Value:
    return emit("depthwise_conv2d_input_grad", g, w, input_shape=x.type.shape, **_window_attrs(node))


def _weight_grad(emit: Emit, node: Node, x: Value, g: Value, w: Value) -> Value:
    return emit("depthwise_conv2d_weight_grad", x, g, kernel=w.type.shape[:2], **_window_attrs(node))


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    x, w, *bias = node.inputs
    g = activation_gradient(emit, node, grads[0])
    conv_grads: list[Value | None] = [_input_grad(emit, node, g, w, x), _weight_grad(emit, node, x, g, w)]
    return conv_grads + [bias_gradient(emit, g) for _ in bias]


def _infer_input_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    g, w = types
    shape = integers(attrs, "input_shape", 4, 1)
    check_image(g, "gradient")
    _check_weights(w)
    _check_multiple(w.shape[2], shape[3])
    Window.of(attrs, w.shape[:2]).check_output(g, shape)
    if g.shape[3] != w.shape[2]:
        raise ValueError(f"gradient {g} does not have the {w.shape[2]} output channels of weights {w}")
    return [TensorType(g.dtype, shape)]


def _evaluate_input_grad(args: Arrays, attrs: Attrs) -> Results:
    g, w = args
    shape, window = attrs["input_shape"], Window.of(attrs, w.shape[:2])
    by_channel = g.reshape(*g.shape[:3], shape[3], -1)
    filters = w.reshape(window.taps, shape[3], -1)
    columns = np.stack([(by_channel * filters[t]).sum(axis=-1) for t in range(window.taps)], axis=3)
    return [window.scatter(columns, shape)]


def _gradient_input_grad(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    (g, w), (dx_grad,) = node.inputs, grads
    assert dx_grad is not None
    return [emit("depthwise_conv2d", dx_grad, w, **_window_attrs(node)), _weight_grad(emit, node, dx_grad, g, w)]


def _infer_weight_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    x, g = types
    check_image(x, "x")
    check_image(g, "gradient")
    window = Window.of(attrs)
    window.check_output(g, x.shape)
    _check_multiple(g.shape[3], x.shape[3])
    return [TensorType(g.dtype, (*window.kernel, g.shape[3]))]


def _evaluate_weight_grad(args: Arrays, attrs: Attrs) -> Results:
    x, g = args
    window = Window.of(attrs)
    columns = window.gather(x)
    by_channel = g.reshape(*g.shape[:3], x.shape[3], -1)
    dw = [(columns[:, :, :, t, :, None] * by_channel).sum(axis=(0, 1, 2)) for t in range(window.taps)]
    return [np.stack(dw).reshape(*window.kernel, g.shape[3])]


def _gradient_weight_grad(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    (x, g), (dw_grad,) = node.inputs, grads
    assert dw_grad is not None
    return [_input_grad(emit, node, g, dw_grad, x), emit("depthwise_conv2d", x, dw_grad, **_window_attrs(node))]


def _slices(node: Node) -> Mapping[int, Sequence[tuple[int, int]]]:
    x, g = node.inputs
    return {2: ((0, 3), (1, 3))} if x.type.shape[3] == g.type.shape[3] else {}


def _taps(node: Node) -> int:
    """Weights that each element of g (or of the output) meets; those on padding are counted."""
    w = node.outputs[0] if node.op.endswith("conv2d_weight_grad") else node.inputs[1]
    return w.type.shape[0] * w.type.shape[1]


SAME = {"strides": (1, 1), "padding": (1, 1, 1, 1)}
UNEVEN = {"strides": (2, 1), "padding": (0, 2, 1, 0)}
HALVED = {"strides": (2, 2), "padding": (3, 3, 3, 3)}
DILATED = {"strides": (1, 2), "padding": (2, 1, 0, 2), "dilation": (2, 3)}
BOTH = (0, 1)
ALL = (0, 1, 2)

DEPTHWISE_CONV2D = OpDef(
    name="depthwise_conv2d",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    macs=lambda node: node.outputs[0].type.size * _taps(node),
    examples=[
        Example([f32(2, 4, 5, 6), f32(3, 3, 6)], SAME, differentiable=BOTH),
        Example([f32(1, 6, 5, 3), f32(3, 2, 3), f32(3)], UNEVEN | {"activation": "relu"}, differentiable=ALL),
        Example([f32(1, 4, 5, 2), f32(3, 3, 6), f32(6)], SAME | {"activation": "relu6"}, differentiable=ALL),
        Example([f32(1, 5, 7, 5), f32(2, 3, 5)], DILATED, differentiable=BOTH),
        # Larger than the input, which only its padding makes room for.
        Example([f32(1, 4, 3, 9), f32(7, 7, 9), f32(9)], HALVED, differentiable=ALL),
        Example([f32(1, 3, 2, 3), f32(1, 1, 6)], {"strides": (1, 1), "padding": (0, 0, 0, 0)}, differentiable=BOTH),
    ],
)

DEPTHWISE_CONV2D_INPUT_GRAD = OpDef(
    name="depthwise_conv2d_input_grad",
    infer=_infer_input_grad,
    evaluate=_evaluate_input_grad,
    gradient=_gradient_input_grad,
    macs=lambda node: node.inputs[0].type.size * _taps(node),
    examples=[
        Example([f32(2, 4, 5, 6), f32(3, 3, 6)], SAME | {"input_shape": (2, 4, 5, 6)}, differentiable=BOTH),
        Example([f32(1, 3, 6, 3), f32(3, 2, 3)], UNEVEN | {"input_shape": (1, 6, 5, 3)}, differentiable=BOTH),
        Example([f32(1, 4, 5, 6), f32(3, 3, 6)], SAME | {"input_shape": (1, 4, 5, 2)}, differentiable=BOTH),
        Example([f32(1, 5, 2, 5), f32(2, 3, 5)], DILATED | {"input_shape": (1, 5, 7, 5)}, differentiable=BOTH),
        Example([f32(1, 2, 2, 9), f32(7, 7, 9)], HALVED | {"input_shape": (1, 4, 3, 9)}, differentiable=BOTH),
    ],
)

DEPTHWISE_CONV2D_WEIGHT_GRAD = OpDef(
    name="depthwise_conv2d_weight_grad",
    infer=_infer_weight_grad,
    evaluate=_evaluate_weight_grad,
    gradient=_gradient_weight_grad,
    macs=lambda node: node.inputs[1].type.size * _taps(node),
    slices=_slices,
    examples=[
        Example([f32(2, 4, 5, 6), f32(2, 4, 5, 6)], SAME | {"kernel": (3, 3)}, differentiable=BOTH),
        Example([f32(1, 6, 5, 3), f32(1, 3, 6, 3)], UNEVEN | {"kernel": (3, 2)}, differentiable=BOTH),
        Example([f32(1, 4, 5, 2), f32(1, 4, 5, 6)], SAME | {"kernel": (3, 3)}, differentiable=BOTH),
        Example([f32(1, 5, 7, 5), f32(1, 5, 2, 5)], DILATED | {"kernel": (2, 3)}, differentiable=BOTH),
        Example([f32(1, 4, 3, 9), f32(1, 2, 2, 9)], HALVED | {"kernel": (7, 7)}, differentiable=BOTH),
    ],
)

OPS = (DEPTHWISE_CONV2D, DEPTHWISE_CONV2D_INPUT_GRAD, DEPTHWISE_CONV2D_WEIGHT_GRAD)

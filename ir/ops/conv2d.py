"""conv2d(x, w, bias?) of NHWC images with OHWI weights, with an activation, and its two gradients."""

from collections.abc import Mapping, Sequence

import numpy as np

from gradlet.ir.activations import activate, activation_gradient, check_activation
from gradlet.ir.bias import bias_gradient, check_bias
from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.tensor_type import TensorType, f32
from gradlet.ir.windows import Window, check_image, integers


def _groups(attrs: Attrs) -> int:
    groups = attrs.get("groups", 1)
    if not isinstance(groups, int) or groups < 1:
        raise ValueError(f"groups is {groups}, not an integer of at least 1")
    return groups


def _check_weights(w: TensorType, channels: int, attrs: Attrs) -> None:
    groups = _groups(attrs)
    if len(w.shape) != 4:
        raise ValueError(f"weights {w} have {len(w.shape)} axes, not the four of OHWI")
    if w.shape[3] * groups != channels:
        raise ValueError(
            f"{groups} groups of weights {w} read {w.shape[3] * groups} channels, the input has {channels}"
        )
    if w.shape[0] % groups:
        raise ValueError(f"{w.shape[0]} output channels do not divide into {groups} groups")


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2, 3)
    x, w, *bias = types
    check_image(x, "x")
    _check_weights(w, x.shape[3], attrs)
    check_bias(bias, w.shape[0])
    check_activation(attrs)
    size = Window.of(attrs, w.shape[1:3]).output_size(x.shape)
    return [TensorType(x.dtype, (x.shape[0], *size, w.shape[0]))]


def _by_group(a: np.ndarray, groups: int) -> np.ndarray:
    """[N, H, W, taps or nothing, C] -> [groups, N * H * W, taps * C / groups]."""
    positions = int(np.prod(a.shape[:3]))
    split = a.reshape(positions, -1, groups, a.shape[-1] // groups)
    return np.moveaxis(split, 2, 0).reshape(groups, positions, -1)


def _filters(w: np.ndarray, groups: int) -> np.ndarray:
    """[O, KH, KW, I] -> [groups, O / groups, KH * KW * I]."""
    return w.reshape(groups, w.shape[0] // groups, -1)


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    x, w, *bias = args
    groups = _groups(attrs)
    columns = Window.of(attrs, w.shape[1:3]).gather(x)
    y = _by_group(columns, groups) @ _filters(w, groups).transpose(0, 2, 1)
    y = np.moveaxis(y, 0, 1).reshape(*columns.shape[:3], w.shape[0])
    return [activate(y + bias[0] if bias else y, attrs)]


def _window_attrs(node: Node) -> dict[str, object]:
    """The attributes that the gradients share with the convolution."""
    return {k: node.attrs[k] for k in ("strides", "padding", "dilation", "groups") if k in node.attrs}


def _input_grad(emit: Emit, node: Node, g: Value, w: Value, x: Value) -> Value:
    return emit("conv2d_input_grad", g, w, input_shape=x.type.shape, **_window_attrs(node))


def _weight_grad(emit: Emit, node: Node, x: Value, g: Value, w: Value) -> Value:
    return emit("conv2d_weight_grad", x, g, kernel=w.type.shape[1:3], **_window_attrs(node))


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
    _check_weights(w, shape[3], attrs)
    Window.of(attrs, w.shape[1:3]).check_output(g, shape)
    if g.shape[3] != w.shape[0]:
        raise ValueError(f"gradient {g} does not have the {w.shape[0]} output channels of weights {w}")
    return [TensorType(g.dtype, shape)]


def _evaluate_input_grad(args: Arrays, attrs: Attrs) -> Results:
    g, w = args
    groups, shape = _groups(attrs), attrs["input_shape"]
    window = Window.of(attrs, w.shape[1:3])
    columns = _by_group(g, groups) @ _filters(w, groups)
    columns = np.moveaxis(columns.reshape(groups, -1, window.taps, w.shape[3]), 0, 2)
    return [window.scatter(columns.reshape(*g.shape[:3], window.taps, shape[3]), shape)]


def _gradient_input_grad(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    (g, w), (dx_grad,) = node.inputs, grads
    assert dx_grad is not None
    return [emit("conv2d", dx_grad, w, **_window_attrs(node)), _weight_grad(emit, node, dx_grad, g, w)]


def _infer_weight_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    x, g = types
    groups = _groups(attrs)
    check_image(x, "x")
    check_image(g, "gradient")
    window = Window.of(attrs)
    window.check_output(g, x.shape)
    if x.shape[3] % groups or g.shape[3] % groups:
        raise ValueError(f"the channels of {x} and of gradient {g} do not divide into {groups} groups")
    return [TensorType(g.dtype, (g.shape[3], *window.kernel, x.shape[3] // groups))]


def _evaluate_weight_grad(args: Arrays, attrs: Attrs) -> Results:
    x, g = args
    groups, window = _groups(attrs), Window.of(attrs)
    dw = _by_group(g, groups).transpose(0, 2, 1) @ _by_group(window.gather(x), groups)
    return [dw.reshape(g.shape[3], *window.kernel, x.shape[3] // groups)]


def _gradient_weight_grad(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    (x, g), (dw_grad,) = node.inputs, grads
    assert dw_grad is not None
    return [_input_grad(emit, node, g, dw_grad, x), emit("conv2d", x, dw_grad, **_window_attrs(node))]


def _slices(node: Node) -> Mapping[int, Sequence[tuple[int, int]]]:
    return {0: ((1, 3),), 3: ((0, 3),)} if _groups(node.attrs) == 1 else {}


def _taps(node: Node) -> int:
    """Weights that each element of g (or of the output) meets; those on padding are counted."""
    w = node.outputs[0] if node.op.endswith("conv2d_weight_grad") else node.inputs[1]
    return w.type.size // w.type.shape[0]


SAME = {"strides": (1, 1), "padding": (1, 1, 1, 1)}
VALID = {"strides": (1, 1), "padding": (0, 0, 0, 0)}
UNEVEN = {"strides": (2, 1), "padding": (0, 2, 1, 0)}
DILATED = {"strides": (1, 2), "padding": (2, 1, 0, 2), "dilation": (2, 3)}
GROUPED = {"strides": (2, 2), "padding": (1, 1, 1, 1), "groups": 2}
BOTH = (0, 1)
ALL = (0, 1, 2)

CONV2D = OpDef(
    name="conv2d",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    macs=lambda node: node.outputs[0].type.size * _taps(node),
    examples=[
        Example([f32(2, 4, 5, 3), f32(4, 3, 3, 3)], SAME, differentiable=BOTH),
        Example([f32(1, 4, 3, 5), f32(6, 1, 1, 5), f32(6)], VALID, differentiable=ALL),
        Example(
            [f32(1, 5, 5, 3), f32(5, 1, 1, 3), f32(5)], {"strides": (2, 2), "padding": (0, 0, 0, 0)}, differentiable=ALL
        ),
        Example([f32(1, 6, 5, 2), f32(3, 3, 2, 2), f32(3)], UNEVEN | {"activation": "relu"}, differentiable=ALL),
        Example([f32(1, 5, 7, 2), f32(3, 2, 3, 2)], DILATED, differentiable=BOTH),
        Example([f32(2, 5, 4, 4), f32(6, 3, 3, 2), f32(6)], GROUPED | {"activation": "relu6"}, differentiable=ALL),
        Example([f32(1, 3, 3, 9), f32(9, 1, 1, 1)], VALID | {"groups": 9}, differentiable=BOTH),
        # Larger than the input, which only its padding makes room for.
        Example([f32(1, 2, 3, 2), f32(2, 5, 5, 2)], {"strides": (1, 1), "padding": (2, 2, 2, 2)}, differentiable=BOTH),
        # The last row and column of the input are never seen.
        Example([f32(1, 6, 6, 1), f32(2, 3, 3, 1)], {"strides": (2, 2), "padding": (0, 0, 0, 0)}, differentiable=BOTH),
    ],
)

CONV2D_INPUT_GRAD = OpDef(
    name="conv2d_input_grad",
    infer=_infer_input_grad,
    evaluate=_evaluate_input_grad,
    gradient=_gradient_input_grad,
    macs=lambda node: node.inputs[0].type.size * _taps(node),
    examples=[
        Example([f32(2, 4, 5, 4), f32(4, 3, 3, 3)], SAME | {"input_shape": (2, 4, 5, 3)}, differentiable=BOTH),
        Example([f32(1, 4, 3, 6), f32(6, 1, 1, 5)], VALID | {"input_shape": (1, 4, 3, 5)}, differentiable=BOTH),
        Example([f32(1, 3, 6, 3), f32(3, 3, 2, 2)], UNEVEN | {"input_shape": (1, 6, 5, 2)}, differentiable=BOTH),
        Example([f32(1, 5, 2, 3), f32(3, 2, 3, 2)], DILATED | {"input_shape": (1, 5, 7, 2)}, differentiable=BOTH),
        Example([f32(2, 3, 2, 6), f32(6, 3, 3, 2)], GROUPED | {"input_shape": (2, 5, 4, 4)}, differentiable=BOTH),
        Example(
            [f32(1, 2, 2, 2), f32(2, 3, 3, 1)],
            {"strides": (2, 2), "padding": (0, 0, 0, 0), "input_shape": (1, 6, 6, 1)},
            differentiable=BOTH,
        ),
    ],
)

CONV2D_WEIGHT_GRAD = OpDef(
    name="conv2d_weight_grad",
    infer=_infer_weight_grad,
    evaluate=_evaluate_weight_grad,
    gradient=_gradient_weight_grad,
    macs=lambda node: node.inputs[1].type.size * _taps(node),
    slices=_slices,
    examples=[
        Example([f32(2, 4, 5, 3), f32(2, 4, 5, 4)], SAME | {"kernel": (3, 3)}, differentiable=BOTH),
        Example([f32(1, 4, 3, 5), f32(1, 4, 3, 6)], VALID | {"kernel": (1, 1)}, differentiable=BOTH),
        Example([f32(1, 6, 5, 2), f32(1, 3, 6, 3)], UNEVEN | {"kernel": (3, 2)}, differentiable=BOTH),
        Example([f32(1, 5, 7, 2), f32(1, 5, 2, 3)], DILATED | {"kernel": (2, 3)}, differentiable=BOTH),
        Example([f32(2, 5, 4, 4), f32(2, 3, 2, 6)], GROUPED | {"kernel": (3, 3)}, differentiable=BOTH),
    ],
)

OPS = (CONV2D, CONV2D_INPUT_GRAD, CONV2D_WEIGHT_GRAD)

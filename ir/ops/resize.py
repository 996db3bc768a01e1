"""resize(x) to another height and width, as PyTorch's interpolate does it, and the adjoint as its gradient."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.tensor_type import TensorType, f32
from gradlet.ir.windows import check_image, integers

MODES = ("nearest", "bilinear")


def _check_mode(attrs: Attrs) -> None:
    mode = attrs.get("mode")
    if mode not in MODES:
        raise ValueError(f"mode {mode!r} is not one of {', '.join(MODES)}")
    if mode == "nearest" and attrs.get("align_corners", False):
        raise ValueError("align_corners has no meaning with mode nearest")


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    (x,) = types
    check_image(x, "x")
    _check_mode(attrs)
    return [x.with_shape(x.shape[0], *integers(attrs, "size", 2, 1), x.shape[3])]


def _nearest(inputs: int, outputs: int) -> np.ndarray:
    """Index of the input that each output copies.

    PyTorch computes it in float32, which for some sizes is not the exact floor: what it chooses is the definition.
    """
    scale = np.float32(inputs) / np.float32(outputs)
    chosen: np.ndarray = np.minimum(np.floor(np.arange(outputs, dtype=np.float32) * scale).astype(int), inputs - 1)
    return chosen


def _positions(inputs: int, outputs: int, align_corners: bool) -> np.ndarray:
    """Where each output lies between the inputs."""
    steps = np.arange(outputs)
    if align_corners:
        return steps * (inputs - 1) / max(outputs - 1, 1)
    return np.maximum(((2 * steps + 1) * inputs - outputs) / (2 * outputs), 0)


def _weights(inputs: int, outputs: int, attrs: Attrs) -> np.ndarray:
    """How much of each input an output along one axis takes, [outputs, inputs]."""
    matrix, steps = np.zeros((outputs, inputs)), np.arange(outputs)
    if attrs["mode"] == "nearest":
        matrix[steps, _nearest(inputs, outputs)] = 1
        return matrix
    position = _positions(inputs, outputs, attrs.get("align_corners", False))
    low = np.floor(position).astype(int)
    matrix[steps, low] = 1 - (position - low)
    # At the last input there is no next one; the weight is 0 with align_corners, else that input is taken twice.
    matrix[steps, np.minimum(low + 1, inputs - 1)] += position - low
    return matrix


def _apply(rows: np.ndarray, columns: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Multiplies along the axes H and W."""
    resized = np.tensordot(rows.astype(x.dtype), x, axes=(1, 1))  # [H', N, W, C]
    return np.tensordot(columns.astype(x.dtype), resized, axes=(1, 2)).transpose(2, 1, 0, 3)


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    (x,), (height, width) = args, attrs["size"]
    return [_apply(_weights(x.shape[1], height, attrs), _weights(x.shape[2], width, attrs), x)]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    attrs = {k: v for k, v in node.attrs.items() if k != "size"}
    return [emit("resize_grad", grads[0], input_shape=node.inputs[0].type.shape, **attrs)]


def _infer_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    (g,) = types
    check_image(g, "gradient")
    _check_mode(attrs)
    shape = integers(attrs, "input_shape", 4, 1)
    if (g.shape[0], g.shape[3]) != (shape[0], shape[3]):
        raise ValueError(f"gradient {g} differs in batch or channels from input_shape {shape}")
    return [g.with_shape(*shape)]


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    (g,), (_, height, width, _) = args, attrs["input_shape"]
    return [_apply(_weights(height, g.shape[1], attrs).T, _weights(width, g.shape[2], attrs).T, g)]


def _gradient_grad(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    attrs = {k: v for k, v in node.attrs.items() if k != "input_shape"}
    return [emit("resize", grads[0], size=node.inputs[0].type.shape[1:3], **attrs)]


def _macs(node: Node) -> int:
    """Four neighbours for each pixel of the resized image."""
    resized = node.outputs[0] if node.op == "resize" else node.inputs[0]
    return 4 * resized.type.size if node.attrs["mode"] == "bilinear" else 0


NEAREST = {"mode": "nearest"}
HALF_PIXEL = {"mode": "bilinear", "align_corners": False}
ALIGNED = {"mode": "bilinear", "align_corners": True}

RESIZE = OpDef(
    name="resize",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    macs=_macs,
    examples=[
        Example([f32(2, 3, 4, 2)], NEAREST | {"size": (6, 8)}),
        Example([f32(1, 5, 7, 3)], NEAREST | {"size": (3, 10)}),
        Example([f32(2, 3, 4, 2)], HALF_PIXEL | {"size": (6, 8)}),
        Example([f32(1, 5, 7, 3)], HALF_PIXEL | {"size": (3, 10)}),
        Example([f32(2, 3, 4, 2)], ALIGNED | {"size": (6, 8)}),
        Example([f32(1, 5, 7, 3)], ALIGNED | {"size": (3, 10)}),
        Example([f32(1, 2, 1, 5)], ALIGNED | {"size": (1, 3)}),
    ],
)

RESIZE_GRAD = OpDef(
    name="resize_grad",
    infer=_infer_grad,
    evaluate=_evaluate_grad,
    gradient=_gradient_grad,
    macs=_macs,
    examples=[
        Example([f32(2, 6, 8, 2)], NEAREST | {"input_shape": (2, 3, 4, 2)}),
        Example([f32(1, 3, 10, 3)], NEAREST | {"input_shape": (1, 5, 7, 3)}),
        Example([f32(1, 3, 10, 3)], HALF_PIXEL | {"input_shape": (1, 5, 7, 3)}),
        Example([f32(2, 6, 8, 2)], ALIGNED | {"input_shape": (2, 3, 4, 2)}),
        Example([f32(1, 1, 3, 5)], ALIGNED | {"input_shape": (1, 2, 1, 5)}),
    ],
)

OPS = (RESIZE, RESIZE_GRAD)

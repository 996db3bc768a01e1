"""resize(x) to another height and width, as PyTorch and TensorFlow Lite do it, and the adjoint as its gradient."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.quantized_samples import integers as whole_range
from gradlet.ir.quantized_samples import q8, q16
from gradlet.ir.requantize import divide_by_power_of_two, round_half_away
from gradlet.ir.tensor_type import TensorType, f32
from gradlet.ir.windows import check_image, integers

MODES = ("nearest", "bilinear")
# int8 is blended with weights in units of 1 / 2^10 along each axis.
WEIGHT_BITS = 10


def corners_aligned(attrs: Attrs) -> bool:
    """Whether the first and last pixels of both images lie at the same places."""
    return bool(attrs.get("align_corners", False))


def half_pixels(attrs: Attrs) -> bool:
    """Whether pixels lie half a pixel behind their index: by default in mode bilinear, unless corners are aligned."""
    return bool(attrs.get("half_pixel_centers", attrs["mode"] == "bilinear" and not corners_aligned(attrs)))


def _check_mode(attrs: Attrs) -> None:
    mode = attrs.get("mode")
    if mode not in MODES:
        raise ValueError(f"mode {mode!r} is not one of {', '.join(MODES)}")
    if mode == "bilinear" and corners_aligned(attrs) and half_pixels(attrs):
        raise ValueError("align_corners and half_pixel_centers exclude each other with mode bilinear")


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    (x,) = types
    check_image(x, "x")
    _check_mode(attrs)
    return [x.with_shape(x.shape[0], *integers(attrs, "size", 2, 1), x.shape[3])]


def nearest_scale(inputs: int, outputs: int, attrs: Attrs) -> np.float32:
    """Inputs for each output, in float32."""
    if corners_aligned(attrs) and outputs > 1:
        return np.float32(inputs - 1) / np.float32(outputs - 1)
    return np.float32(inputs) / np.float32(outputs)


def _nearest(inputs: int, outputs: int, attrs: Attrs) -> np.ndarray:
    """Index of the input that each output copies.

    PyTorch and TensorFlow Lite compute it in float32, which for some sizes is not exact: what they choose is the
    definition.
    """
    steps = np.arange(outputs, dtype=np.float32) + np.float32(0.5 * half_pixels(attrs))
    position = steps * nearest_scale(inputs, outputs, attrs)
    nearest = round_half_away(position) if corners_aligned(attrs) else np.floor(position)
    chosen: np.ndarray = np.minimum(nearest.astype(int), inputs - 1)
    return chosen


def _positions(inputs: int, outputs: int, attrs: Attrs) -> np.ndarray:
    """Where each output lies between the inputs."""
    steps = np.arange(outputs)
    if corners_aligned(attrs):
        return steps * (inputs - 1) / max(outputs - 1, 1)
    if half_pixels(attrs):
        return np.maximum(((2 * steps + 1) * inputs - outputs) / (2 * outputs), 0)
    return steps * inputs / outputs


# For each output along an axis: the inputs before and behind it, and the weight of the second.
_Neighbours = tuple[np.ndarray, np.ndarray, np.ndarray]


def _neighbours(inputs: int, outputs: int, attrs: Attrs) -> _Neighbours:
    if attrs["mode"] == "nearest":
        nearest = _nearest(inputs, outputs, attrs)
        return nearest, nearest, np.zeros(outputs)
    position = _positions(inputs, outputs, attrs)
    low = np.floor(position).astype(int)
    # At the last input there is no next one; the weight is 0 with align_corners, else that input is taken twice.
    return low, np.minimum(low + 1, inputs - 1), position - low


def fixed_scale(inputs: int, outputs: int, attrs: Attrs) -> int:
    """Inputs for each output, in units of the weights of int8."""
    if corners_aligned(attrs) and outputs > 1:
        inputs, outputs = inputs - 1, outputs - 1
    return ((inputs << WEIGHT_BITS) + outputs // 2) // outputs


def _fixed_neighbours(inputs: int, outputs: int, attrs: Attrs) -> _Neighbours:
    """As TensorFlow Lite's ResizeBilinearInteger finds them."""
    one, scale = 1 << WEIGHT_BITS, fixed_scale(inputs, outputs, attrs)
    position = np.maximum(np.arange(outputs) * scale + (scale // 2 - one // 2 if half_pixels(attrs) else 0), 0)
    low = np.minimum(position >> WEIGHT_BITS, inputs - 1)
    return low, np.minimum(low + 1, inputs - 1), position - low * one


def _along(axis: int, weight: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Weights for the elements of an axis of x."""
    columns: np.ndarray = weight.astype(x.dtype).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return columns


def _blend(x: np.ndarray, axis: int, found: _Neighbours, one: int = 1) -> np.ndarray:
    """The outputs along an axis, in units of 1 / `one`."""
    low, high, weight = *found[:2], _along(axis, found[2], x)
    blended: np.ndarray = x.take(low, axis) * (one - weight) + x.take(high, axis) * weight
    return blended


def _share_out(g: np.ndarray, axis: int, inputs: int, found: _Neighbours) -> np.ndarray:
    """The adjoint of `_blend`."""
    low, high, weight = *found[:2], _along(axis, found[2], g)
    sums = np.zeros([inputs if a == axis else n for a, n in enumerate(g.shape)], g.dtype)
    for index, part in ((low, g * (1 - weight)), (high, g * weight)):
        np.add.at(np.moveaxis(sums, axis, 0), index, np.moveaxis(part, axis, 0))
    return sums


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    (x,), (height, width) = args, attrs["size"]
    if attrs["mode"] == "nearest":
        rows, columns = _nearest(x.shape[1], height, attrs), _nearest(x.shape[2], width, attrs)
        return [x[:, rows[:, None], columns]]
    if x.dtype.kind == "f":
        wide = _blend(x, 2, _neighbours(x.shape[2], width, attrs))
        return [_blend(wide, 1, _neighbours(x.shape[1], height, attrs))]
    wide = _blend(x.astype(np.int64), 2, _fixed_neighbours(x.shape[2], width, attrs), 1 << WEIGHT_BITS)
    blended = _blend(wide, 1, _fixed_neighbours(x.shape[1], height, attrs), 1 << WEIGHT_BITS)
    # Rounded once, half away from zero.
    return [divide_by_power_of_two(blended, np.array(2 * WEIGHT_BITS)).astype(x.dtype)]


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
    rows, columns = _neighbours(height, g.shape[1], attrs), _neighbours(width, g.shape[2], attrs)
    return [_share_out(_share_out(g, 1, height, rows), 2, width, columns)]


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
PLAIN = {"mode": "bilinear", "half_pixel_centers": False}
NEAREST_CENTER = {"mode": "nearest", "half_pixel_centers": True}
NEAREST_ALIGNED = {"mode": "nearest", "align_corners": True}

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
        Example([f32(2, 3, 4, 2)], PLAIN | {"size": (6, 3)}),
        Example([f32(1, 5, 7, 3)], NEAREST_CENTER | {"size": (3, 10)}),
        Example([f32(1, 5, 7, 3)], NEAREST_ALIGNED | {"size": (3, 10)}),
        Example([f32(1, 5, 7, 3)], NEAREST_ALIGNED | {"size": (8, 1), "half_pixel_centers": True}),
        Example([q8(1, 5, 7, 5)], NEAREST | {"size": (3, 10)}, whole_range()),
        Example([q8(2, 3, 4, 5)], HALF_PIXEL | {"size": (7, 3)}, whole_range()),
        Example([q8(1, 5, 7, 3)], ALIGNED | {"size": (3, 10)}, whole_range()),
        Example([q8(1, 5, 7, 3)], PLAIN | {"size": (8, 1)}, whole_range()),
        Example([q16(1, 5, 7, 5)], NEAREST | {"size": (3, 10)}, whole_range()),
        Example([q16(2, 3, 4, 5)], HALF_PIXEL | {"size": (7, 3)}, whole_range()),
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
        Example([f32(2, 6, 3, 2)], PLAIN | {"input_shape": (2, 3, 4, 2)}),
        Example([f32(1, 3, 10, 3)], NEAREST_CENTER | {"input_shape": (1, 5, 7, 3)}),
        Example([f32(1, 8, 10, 3)], NEAREST_ALIGNED | {"input_shape": (1, 5, 7, 3)}),
    ],
)

OPS = (RESIZE, RESIZE_GRAD)

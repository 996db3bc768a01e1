"""qdepthwise_conv2d(x, w, bias, scale, multiplier?): int8, with int32 sums, requantised; its two gradients."""

from gradlet.ir.graph import Node
from gradlet.ir.op_def import Example
from gradlet.ir.ops.depthwise_conv2d import (
    DEPTHWISE_CONV2D,
    DEPTHWISE_CONV2D_INPUT_GRAD,
    DEPTHWISE_CONV2D_WEIGHT_GRAD,
)
from gradlet.ir.quantized_linear import Linear
from gradlet.ir.quantized_samples import i8, i16, integers, q8, q16, q_bias
from gradlet.ir.tensor_type import b1, f32, i32
from gradlet.ir.windows import Window

SAME = {"strides": (1, 1), "padding": (1, 1, 1, 1)}
HALVED = {"strides": (2, 2), "padding": (3, 3, 3, 3)}
PASSING = {"strides": (2, 2), "padding": (1, 1, 1, 1)}
UNEVEN = {"strides": (2, 1), "padding": (0, 2, 1, 0), "dilation": (1, 2)}
QUANT = {"x_zero": -3, "y_zero": 5, "y_scale": 0.05}
RELU = {"x_zero": -128, "y_zero": -128, "y_scale": 6 / 255, "mask": True}
WHOLE = {"strides": (1, 1), "padding": (0, 0, 0, 0)}
SIXTEEN = {"bits": 16, "x_zero": 0, "y_zero": 0, "y_scale": 0.05}
RELU16 = {"y_min": 0, "y_max": 30000, "mask": True}
TWO = {"parts": 2}
SMALL = integers(1e-3)
EPILOGUE = {"mask": True, "scale": True, "dtype": "int8"}
_STATE = integers(0.01, (40.0, 0.5))

FORWARD = [
    Example([q8(2, 4, 5, 6, zero=-3), q8(3, 3, 6), q_bias(6), f32(6)], SAME | QUANT, integers(), (0, 1, 2)),
    Example([q8(1, 6, 7, 9, zero=-128), q8(7, 7, 9), q_bias(9), f32(9)], HALVED | RELU, integers(), (0, 1, 2)),
    Example([q8(1, 6, 5, 3, zero=-3), q8(3, 2, 6), q_bias(6), f32(6)], UNEVEN | QUANT, integers(), (0, 1, 2)),
    Example(
        [q8(1, 4, 4, 7, zero=-128), q8(3, 3, 3), q8(3, 3, 4), q_bias(7), f32(7)],
        SAME | RELU | {"parts": 2},
        integers(),
        (0, 1, 2, 3),
    ),
    # In place.
    Example([q8(2, 6, 8, 5, zero=-128), q8(3, 3, 5), q_bias(5), f32(5)], PASSING | RELU, integers(), (0, 1, 2)),
    Example([q16(2, 4, 5, 6), q8(3, 3, 6), q_bias(6), f32(6)], SAME | SIXTEEN, SMALL, (0, 1, 2)),
    Example([q16(1, 6, 7, 9), q8(7, 7, 9), q_bias(9), f32(9)], HALVED | SIXTEEN | RELU16, SMALL, (0, 1, 2)),
    Example([q16(1, 6, 5, 3), q8(3, 2, 6), q_bias(6), f32(6)], UNEVEN | SIXTEEN, SMALL, (0, 1, 2)),
    Example([q16(1, 4, 4, 7), q8(3, 3, 3), q8(3, 3, 4), q_bias(7), f32(7)], SAME | SIXTEEN | TWO, SMALL, (0, 1, 2, 3)),
    # Sums beyond int32; in place.
    Example([q16(1, 24, 24, 2), q8(24, 24, 2), q_bias(2), f32(2)], WHOLE | SIXTEEN, integers(1e-4), (0, 1, 2)),
    Example([q16(2, 6, 8, 5), q8(3, 3, 5), q_bias(5), f32(5)], PASSING | SIXTEEN | RELU16, SMALL, (0, 1, 2)),
    Example(
        [i8(1, 4, 5, 5), i8(3, 3, 5), i32(5), f32(5), i32(5, 2)],
        SAME | RELU | {"rounding": "double_rounding"},
        integers(),
        (),
    ),
    Example(
        [i8(1, 4, 5, 5), i8(3, 3, 5), i32(5), f32(5), i32(5, 2)],
        SAME | QUANT | {"rounding": "single_rounding"},
        integers(),
        (),
    ),
]

INPUT_GRAD = [
    Example([f32(1, 4, 5, 6), i8(3, 3, 6)], SAME | {"input_shape": (1, 4, 5, 6)}, integers(), ()),
    Example(
        [i8(1, 4, 5, 7), f32(2), i8(3, 3, 3), i8(3, 3, 4), b1(1, 4, 5, 7), f32(7), f32(2)],
        SAME | EPILOGUE | {"input_shape": (1, 4, 5, 7), "parts": 2},
        integers(),
        (),
    ),
    Example(
        [i8(1, 3, 4, 9), f32(2), i8(7, 7, 9), b1(1, 6, 7, 9), f32(9), f32(2)],
        HALVED | EPILOGUE | {"input_shape": (1, 6, 7, 9)},
        _STATE,
        (),
    ),
    Example(
        [i16(1, 4, 5, 6), f32(2), i8(3, 3, 6), f32(2)],
        SAME | {"dtype": "int16", "input_shape": (1, 4, 5, 3)},
        integers(),
        (),
    ),
    Example(
        [f32(1, 3, 5, 3), i8(3, 2, 3), b1(1, 6, 5, 3), f32(3)],
        UNEVEN | {"mask": True, "scale": True, "input_shape": (1, 6, 5, 3)},
        integers(),
        (),
    ),
]

WEIGHT_GRAD = [
    Example([i8(2, 4, 5, 6), f32(2, 4, 5, 6)], SAME | {"kernel": (3, 3), "x_zero": -128}, integers(), ()),
    Example([i8(1, 6, 7, 9), i8(1, 3, 4, 9)], HALVED | {"kernel": (7, 7), "x_zero": 3}, integers(), ()),
    Example([i8(1, 4, 5, 3), i8(1, 4, 5, 6)], SAME | {"kernel": (3, 3), "x_zero": -128}, integers(), ()),
    Example([i8(1, 6, 5, 3), i16(1, 3, 5, 3)], UNEVEN | {"kernel": (3, 2), "x_zero": 0}, integers(), ()),
    Example([i16(2, 4, 5, 6), f32(2, 4, 5, 6)], SAME | {"kernel": (3, 3), "x_zero": 0}, integers(), ()),
    Example([i16(1, 6, 7, 9), i8(1, 3, 4, 9)], HALVED | {"kernel": (7, 7), "x_zero": 0}, integers(), ()),
    Example([i16(1, 4, 5, 3), i16(1, 4, 5, 6)], SAME | {"kernel": (3, 3), "x_zero": 0}, integers(), ()),
]


def _is_in_order(node: Node) -> bool:
    """A result takes one of the bytes of its own channel: it must be one that no later window sees."""
    x, y, w = node.inputs[0].type, node.outputs[0].type, node.inputs[1].type
    return x.shape[3] == y.shape[3] and Window.of(node.attrs, w.shape[:2]).runs_ahead(x.shape)


OPS = Linear(
    name="qdepthwise_conv2d",
    forward=DEPTHWISE_CONV2D,
    input_grad=DEPTHWISE_CONV2D_INPUT_GRAD,
    weight_grad=DEPTHWISE_CONV2D_WEIGHT_GRAD,
    out_axis=2,
    in_axis=2,
    shared=("strides", "padding", "dilation"),
    may_overwrite={0: (0,)},
    in_order=_is_in_order,
    examples=(FORWARD, INPUT_GRAD, WEIGHT_GRAD),
).ops()

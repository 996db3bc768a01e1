"""qconv2d(x, w, bias, scale, multiplier?): int8 convolution with int32 sums, requantised; its two gradients."""

from gradlet.ir.op_def import Example
from gradlet.ir.ops.conv2d import CONV2D, CONV2D_INPUT_GRAD, CONV2D_WEIGHT_GRAD
from gradlet.ir.quantized_linear import Linear
from gradlet.ir.quantized_samples import i8, i16, integers, q8, q16, q_bias
from gradlet.ir.tensor_type import b1, f32, i32

POINT = {"strides": (1, 1), "padding": (0, 0, 0, 0)}
SAME = {"strides": (1, 1), "padding": (1, 1, 1, 1)}
HALVED = {"strides": (2, 2), "padding": (1, 1, 1, 1)}
UNEVEN = {"strides": (2, 1), "padding": (0, 2, 1, 0), "dilation": (1, 2)}
GROUPED = {"strides": (1, 1), "padding": (1, 1, 1, 1), "groups": 2}
QUANT = {"x_zero": -3, "y_zero": 5, "y_scale": 0.05}
RELU = {"x_zero": -128, "y_zero": -128, "y_scale": 6 / 255}
SIXTEEN = {"bits": 16, "x_zero": 0, "y_zero": 0, "y_scale": 0.05}
RELU16 = {"y_min": 0, "y_max": 30000, "mask": True}
SMALL = integers(2e-4)
MASK = {"mask": True}
I8 = {"dtype": "int8"}
I16 = {"dtype": "int16"}
ALL = {"mask": True, "scale": True, "skip": True, "factor": 0.75, "skip_factor": 1.25}
_STATE = integers(0.01, (40.0, 0.5))

FORWARD = [
    Example([q8(2, 4, 5, 3, zero=-3), q8(4, 3, 3, 3), q_bias(4), f32(4)], SAME | QUANT, integers(), (0, 1, 2)),
    Example(
        [q8(1, 5, 5, 3, zero=-128), q8(8, 3, 3, 3), q_bias(8), f32(8)], HALVED | RELU | MASK, integers(), (0, 1, 2)
    ),
    Example(
        [q8(1, 4, 5, 10, zero=-128), q8(7, 1, 1, 10), q_bias(7), f32(7)], POINT | RELU | MASK, integers(), (0, 1, 2)
    ),
    Example([q8(1, 3, 3, 16, zero=-3), q8(12, 1, 1, 16), q_bias(12), f32(12)], POINT | QUANT, integers(), (0, 1, 2)),
    Example(
        [q8(1, 3, 3, 9, zero=-3), q8(6, 1, 1, 4), q8(6, 1, 1, 5), q_bias(6), f32(6)],
        POINT | QUANT | MASK | {"parts": 2},
        integers(),
        (0, 1, 2, 3),
    ),
    Example([q8(1, 6, 5, 2, zero=-3), q8(3, 3, 2, 2), q_bias(3), f32(3)], UNEVEN | QUANT | MASK, integers(), (0, 1, 2)),
    Example([q8(1, 4, 4, 4, zero=-3), q8(6, 3, 3, 2), q_bias(6), f32(6)], GROUPED | QUANT, integers(), (0, 1, 2)),
    Example([q16(2, 4, 5, 3), q8(4, 3, 3, 3), q_bias(4), f32(4)], SAME | SIXTEEN, SMALL, (0, 1, 2)),
    Example([q16(1, 3, 7, 16), q8(7, 1, 1, 16), q_bias(7), f32(7)], POINT | SIXTEEN | MASK, SMALL, (0, 1, 2)),
    Example(
        [q16(1, 5, 5, 9), q8(6, 3, 3, 4), q8(6, 3, 3, 5), q_bias(6), f32(6)],
        HALVED | SIXTEEN | RELU16 | {"parts": 2},
        SMALL,
        (0, 1, 2, 3),
    ),
    # Sums beyond int32.
    Example([q16(1, 6, 6, 70), q8(3, 3, 3, 70), q_bias(3), f32(3)], SAME | SIXTEEN | RELU16, SMALL, (0, 1, 2)),
    Example([q16(1, 6, 5, 2), q8(3, 3, 2, 2), q_bias(3), f32(3)], UNEVEN | SIXTEEN | MASK, SMALL, (0, 1, 2)),
    Example([q16(1, 4, 4, 4), q8(6, 3, 3, 2), q_bias(6), f32(6)], GROUPED | SIXTEEN, SMALL, (0, 1, 2)),
    Example(
        [i8(1, 4, 4, 6), i8(5, 1, 1, 6), i32(5), f32(5), i32(5, 2)],
        POINT | QUANT | MASK | {"rounding": "double_rounding"},
        integers(),
        (),
    ),
    Example(
        [i8(1, 4, 4, 3), i8(5, 3, 3, 3), i32(5), f32(5), i32(5, 2)],
        SAME | RELU | {"rounding": "single_rounding"},
        integers(),
        (),
    ),
]

INPUT_GRAD = [
    Example([f32(2, 4, 5, 4), i8(4, 3, 3, 3)], SAME | {"input_shape": (2, 4, 5, 3)}, integers(), ()),
    Example(
        [i8(1, 3, 3, 6), f32(2), i8(6, 1, 1, 9), b1(1, 3, 3, 9), f32(9), f32(2)],
        POINT | I8 | {"input_shape": (1, 3, 3, 9), "mask": True, "scale": True},
        integers(),
        (),
    ),
    Example(
        [
            i8(1, 4, 4, 7),
            f32(2),
            i8(7, 1, 1, 3),
            i8(7, 1, 1, 5),
            b1(1, 4, 4, 8),
            f32(8),
            i8(1, 4, 4, 8),
            f32(2),
            f32(2),
        ],
        POINT | I8 | ALL | {"input_shape": (1, 4, 4, 8), "parts": 2},
        _STATE,
        (),
    ),
    Example(
        [f32(1, 2, 4, 6), i8(6, 1, 1, 5), b1(1, 2, 4, 5), f32(5), f32(1, 2, 4, 5)],
        POINT | ALL | {"input_shape": (1, 2, 4, 5)},
        integers(),
        (),
    ),
    Example(
        [i16(1, 3, 3, 5), f32(2), i8(5, 3, 3, 2), b1(1, 5, 6, 2), f32(2), f32(2)],
        HALVED | I16 | {"input_shape": (1, 5, 6, 2), "mask": True, "scale": True},
        _STATE,
        (),
    ),
    Example(
        [i8(1, 4, 4, 6), f32(2), i8(6, 3, 3, 2)],
        GROUPED | {"input_shape": (1, 4, 4, 4)},
        integers(range_=(1.0, 0.25)),
        (),
    ),
]

WEIGHT_GRAD = [
    Example([i8(2, 4, 5, 3), f32(2, 4, 5, 4)], SAME | {"kernel": (3, 3), "x_zero": -5}, integers(), ()),
    Example([i8(1, 4, 4, 9), i8(1, 4, 4, 6)], POINT | {"kernel": (1, 1), "x_zero": -128}, integers(), ()),
    Example([i8(1, 5, 6, 3), i16(1, 3, 3, 5)], HALVED | {"kernel": (3, 3), "x_zero": 4}, integers(), ()),
    Example([i8(1, 4, 4, 4), i8(1, 4, 4, 6)], GROUPED | {"kernel": (3, 3), "x_zero": 0}, integers(), ()),
    Example([i8(1, 3, 3, 4), f32(1, 3, 3, 5)], POINT | {"kernel": (1, 1), "x_zero": -128}, integers(), ()),
    Example([i16(2, 4, 5, 3), f32(2, 4, 5, 4)], SAME | {"kernel": (3, 3), "x_zero": 0}, integers(), ()),
    Example([i16(1, 4, 5, 9), i8(1, 4, 5, 6)], POINT | {"kernel": (1, 1), "x_zero": 0}, integers(), ()),
    Example([i16(1, 5, 6, 3), i16(1, 3, 3, 5)], HALVED | {"kernel": (3, 3), "x_zero": 0}, integers(), ()),
    Example([i16(1, 4, 4, 4), i8(1, 4, 4, 6)], GROUPED | {"kernel": (3, 3), "x_zero": 0}, integers(), ()),
]

OPS = Linear(
    name="qconv2d",
    forward=CONV2D,
    input_grad=CONV2D_INPUT_GRAD,
    weight_grad=CONV2D_WEIGHT_GRAD,
    out_axis=0,
    in_axis=3,
    shared=("strides", "padding", "dilation", "groups"),
    examples=(FORWARD, INPUT_GRAD, WEIGHT_GRAD),
).ops()

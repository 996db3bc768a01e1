"""Bias correction: the mean error of each channel ends below the resolution of the bias."""

import numpy as np
import pytest

from gradlet.ir.plugin import Toolbox, builtin
from gradlet.optimizers.quantization.bias_correction import channel_mean, corrected

OPS = Toolbox([builtin()]).ops
WINDOW = {"strides": (1, 1), "padding": (1, 1, 1, 1)}
SHAPES = {
    "conv2d": ((4, 6, 6, 3), (5, 3, 3, 3), 5, WINDOW),
    "depthwise_conv2d": ((4, 6, 6, 3), (3, 3, 6), 6, WINDOW),
    "dense": ((64, 40), (7, 40), 7, {}),
}


@pytest.mark.parametrize("op", SHAPES)
def test_mean_error_is_below_the_resolution(op: str):
    image, shape, channels, attrs = SHAPES[op]
    rng = np.random.default_rng(0)
    x, w, b = np.maximum(rng.normal(1, 1, image), 0), rng.normal(size=shape), rng.normal(size=channels)
    x_scale, x_zero = x.max() / 255, -128
    axis = -1 if op == "depthwise_conv2d" else 0
    scale = rng.uniform(0.05, 0.1, channels) if axis else rng.uniform(0.05, 0.1, (channels, *[1] * (w.ndim - 1)))
    q_x, q_w = np.clip(np.rint(x / x_scale) + x_zero, -128, 127), np.clip(np.rint(w / scale), -127, 127)
    unit = x_scale * scale.reshape(-1)
    bias = np.rint(b / unit).astype(np.int32)
    wanted = channel_mean(OPS[op].evaluate([x, w, b], attrs)[0])

    def means(bias: np.ndarray) -> np.ndarray:
        """As int8 computes it."""
        sums = OPS[op].evaluate([q_x - x_zero, q_w], attrs)[0] + bias
        return channel_mean(sums * unit)

    before = np.abs(means(bias) - wanted)
    after = np.abs(means(corrected(bias, unit, wanted, means(bias))) - wanted)
    assert (after <= 0.5 * unit * (1 + 1e-9)).all()
    assert (before > 2 * unit).any()


def test_constant_channels_and_the_ends_of_int32():
    bias = np.array([5, 2**31 - 3, -(2**31) + 3], np.int32)
    found = corrected(bias, np.array([0.0, 0.5, 0.5]), np.array([3.0, 100.0, -100.0]), np.zeros(3))
    assert found.dtype == np.int32
    assert found.tolist() == [5, 2**31 - 1, -(2**31)]

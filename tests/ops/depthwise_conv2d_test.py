"""depthwise_conv2d is the grouped convolution with a group for each input channel."""

import numpy as np
import pytest

from gradlet.ir.ops.conv2d import CONV2D, CONV2D_INPUT_GRAD, CONV2D_WEIGHT_GRAD
from gradlet.ir.ops.depthwise_conv2d import DEPTHWISE_CONV2D, DEPTHWISE_CONV2D_INPUT_GRAD, DEPTHWISE_CONV2D_WEIGHT_GRAD
from gradlet.ir.tensor_type import f32


@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize(
    "attrs",
    [
        {"strides": (1, 1), "padding": (1, 1, 1, 1)},
        {"strides": (2, 3), "padding": (0, 2, 3, 1)},
        {"strides": (1, 2), "padding": (2, 1, 0, 2), "dilation": (2, 2)},
    ],
)
def test_equals_grouped(multiplier, attrs):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 7, 6, 4)), rng.normal(size=(3, 2, 4 * multiplier))
    grouped, w_ohwi = attrs | {"groups": 4}, w.transpose(2, 0, 1)[..., None]
    (y,) = DEPTHWISE_CONV2D.evaluate([x, w], attrs)
    np.testing.assert_allclose(y, CONV2D.evaluate([x, w_ohwi], grouped)[0], rtol=1e-12, atol=1e-12)
    g = rng.normal(size=y.shape)
    (dx,) = DEPTHWISE_CONV2D_INPUT_GRAD.evaluate([g, w], attrs | {"input_shape": x.shape})
    (dx_grouped,) = CONV2D_INPUT_GRAD.evaluate([g, w_ohwi], grouped | {"input_shape": x.shape})
    np.testing.assert_allclose(dx, dx_grouped, rtol=1e-12, atol=1e-12)
    (dw,) = DEPTHWISE_CONV2D_WEIGHT_GRAD.evaluate([x, g], attrs | {"kernel": (3, 2)})
    (dw_grouped,) = CONV2D_WEIGHT_GRAD.evaluate([x, g], grouped | {"kernel": (3, 2)})
    np.testing.assert_allclose(dw, dw_grouped[..., 0].transpose(1, 2, 0), rtol=1e-12, atol=1e-12)


def test_refuses_channels_that_are_no_multiple():
    attrs = {"strides": (1, 1), "padding": (0, 0, 0, 0)}
    with pytest.raises(ValueError, match="5 output channels are no multiple of 3 input channels"):
        DEPTHWISE_CONV2D.infer([f32(1, 5, 5, 3), f32(3, 3, 5)], attrs)

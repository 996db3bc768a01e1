"""resize chooses and weighs pixels as PyTorch's interpolate does; its gradient is the exact adjoint."""

import numpy as np
import pytest
import torch

from gradlet.ir.ops.resize import RESIZE, RESIZE_GRAD
from gradlet.ir.tensor_type import f32

MODES = {
    "nearest": {"mode": "nearest"},
    "half pixel": {"mode": "bilinear", "align_corners": False},
    "aligned": {"mode": "bilinear", "align_corners": True},
}
SIZES = [
    ((5, 7), (5, 7)),
    ((5, 7), (10, 14)),
    ((5, 7), (3, 2)),
    ((5, 7), (1, 1)),
    ((1, 7), (4, 13)),
    ((6, 4), (7, 123)),
]


def interpolate(x, size, attrs):
    nchw = torch.tensor(x.transpose(0, 3, 1, 2).copy())
    y = torch.nn.functional.interpolate(nchw, size=size, mode=attrs["mode"], align_corners=attrs.get("align_corners"))
    return y.numpy().transpose(0, 2, 3, 1)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("before", "after"), SIZES)
def test_equals_torch(mode, before, after):
    x = np.random.default_rng(0).normal(size=(2, *before, 3)).astype(np.float32)
    (y,) = RESIZE.evaluate([x], MODES[mode] | {"size": after})
    np.testing.assert_allclose(y, interpolate(x, after, MODES[mode]), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("inputs", [2, 3, 41, 74])
def test_nearest_chooses_torchs_pixel_for_every_size(inputs):
    """Among them are sizes, as 2 to 82, where rounding in float32 moves the choice off the exact floor."""
    x = np.arange(inputs, dtype=np.float32).reshape(1, inputs, 1, 1)
    for outputs in range(1, 130):
        (y,) = RESIZE.evaluate([x], {"mode": "nearest", "size": (outputs, 1)})
        np.testing.assert_array_equal(y, interpolate(x, (outputs, 1), {"mode": "nearest"}), err_msg=str(outputs))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("before", "after"), SIZES)
def test_gradient_is_the_adjoint(mode, before, after):
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(2, *before, 3)), rng.normal(size=(2, *after, 3))
    (y,) = RESIZE.evaluate([x], MODES[mode] | {"size": after})
    (dx,) = RESIZE_GRAD.evaluate([g], MODES[mode] | {"input_shape": x.shape})
    np.testing.assert_allclose((y * g).sum(), (x * dx).sum(), rtol=1e-12)


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"mode": "bicubic", "size": (2, 2)}, "mode 'bicubic' is not one of nearest, bilinear"),
        ({"mode": "nearest", "size": (2, 2), "align_corners": True}, "align_corners has no meaning with mode nearest"),
        ({"mode": "nearest", "size": (0, 2)}, "size is .0, 2., not 2 integers of at least 1"),
    ],
)
def test_refuses(attrs, message):
    with pytest.raises(ValueError, match=message):
        RESIZE.infer([f32(1, 3, 3, 1)], attrs)

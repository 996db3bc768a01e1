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
    "nearest to the centre": {"mode": "nearest", "half_pixel_centers": True},
}
# What PyTorch does not have.
OTHERS = {
    "plain": {"mode": "bilinear", "half_pixel_centers": False},
    "nearest aligned": {"mode": "nearest", "align_corners": True},
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
    mode = "nearest-exact" if attrs["mode"] == "nearest" and "half_pixel_centers" in attrs else attrs["mode"]
    y = torch.nn.functional.interpolate(nchw, size=size, mode=mode, align_corners=attrs.get("align_corners"))
    return y.numpy().transpose(0, 2, 3, 1)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("before", "after"), SIZES)
def test_equals_torch(mode, before, after):
    x = np.random.default_rng(0).normal(size=(2, *before, 3)).astype(np.float32)
    (y,) = RESIZE.evaluate([x], MODES[mode] | {"size": after})
    np.testing.assert_allclose(y, interpolate(x, after, MODES[mode]), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("mode", ["nearest", "nearest to the centre"])
@pytest.mark.parametrize("inputs", [2, 3, 41, 74])
def test_nearest_chooses_torchs_pixel_for_every_size(mode, inputs):
    """Among them are sizes, as 2 to 82, where rounding in float32 moves the choice off the exact floor."""
    x = np.arange(inputs, dtype=np.float32).reshape(1, inputs, 1, 1)
    for outputs in range(1, 130):
        (y,) = RESIZE.evaluate([x], MODES[mode] | {"size": (outputs, 1)})
        np.testing.assert_array_equal(y, interpolate(x, (outputs, 1), MODES[mode]), err_msg=str(outputs))


@pytest.mark.parametrize("mode", MODES | OTHERS)
@pytest.mark.parametrize(("before", "after"), SIZES)
def test_gradient_is_the_adjoint(mode, before, after):
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(2, *before, 3)), rng.normal(size=(2, *after, 3))
    (y,) = RESIZE.evaluate([x], (MODES | OTHERS)[mode] | {"size": after})
    (dx,) = RESIZE_GRAD.evaluate([g], (MODES | OTHERS)[mode] | {"input_shape": x.shape})
    np.testing.assert_allclose((y * g).sum(), (x * dx).sum(), rtol=1e-12)


@pytest.mark.parametrize("attrs", [*MODES.values(), *OTHERS.values()])
@pytest.mark.parametrize(("before", "after"), SIZES)
def test_int8_is_the_float_within_what_its_weights_round(attrs, before, after):
    x = np.random.default_rng(0).integers(-128, 128, (2, *before, 3)).astype(np.int8)
    (y,), (wanted,) = (RESIZE.evaluate([a], attrs | {"size": after}) for a in (x, x.astype(np.float64)))
    assert y.dtype == np.int8
    # Half a step, and for each axis the position of the last pixel: a weight of 1 / 2048 too much or too little a step.
    assert np.abs(y - wanted).max() <= 0.5 + sum(after) / 2048 * 255


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"mode": "bicubic", "size": (2, 2)}, "mode 'bicubic' is not one of nearest, bilinear"),
        ({**MODES["aligned"], "size": (2, 2), "half_pixel_centers": True}, "exclude each other with mode bilinear"),
        ({"mode": "nearest", "size": (0, 2)}, "size is .0, 2., not 2 integers of at least 1"),
    ],
)
def test_refuses(attrs, message):
    with pytest.raises(ValueError, match=message):
        RESIZE.infer([f32(1, 3, 3, 1)], attrs)

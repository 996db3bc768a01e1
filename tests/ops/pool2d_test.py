"""max_pool2d and avg_pool2d pool as PyTorch does, ties and padding included."""

import numpy as np
import pytest
import torch

from gradlet.ir.ops.avg_pool2d import AVG_POOL2D, AVG_POOL2D_GRAD
from gradlet.ir.ops.max_pool2d import MAX_POOL2D, MAX_POOL2D_GRAD
from gradlet.ir.tensor_type import f32

WINDOWS = [
    {"kernel": (2, 2), "strides": (2, 2), "padding": (0, 0, 0, 0)},
    {"kernel": (3, 3), "strides": (2, 2), "padding": (1, 1, 1, 1)},
    {"kernel": (3, 5), "strides": (1, 3), "padding": (1, 2, 1, 2)},
    {"kernel": (7, 8), "strides": (1, 1), "padding": (0, 0, 0, 0)},
]


def pool(x, g, function, attrs, **options):
    """PyTorch's result and gradient, in NHWC; its padding is symmetric."""
    top, left, _, _ = attrs["padding"]
    nchw = torch.tensor(x.transpose(0, 3, 1, 2).copy(), requires_grad=True)
    y = function(nchw, attrs["kernel"], attrs["strides"], (top, left), **options)
    if g is not None:
        y.backward(torch.tensor(g.transpose(0, 3, 1, 2).copy()))
    back = [t.numpy().transpose(0, 2, 3, 1) for t in (y.detach(), nchw.grad) if t is not None]
    return back if g is not None else back[0]


@pytest.mark.parametrize("attrs", WINDOWS)
@pytest.mark.parametrize("tied", [False, True])
def test_max_equals_torch(attrs, tied):
    rng = np.random.default_rng(0)
    x = rng.integers(-2, 0, size=(2, 7, 8, 3)).astype(float) if tied else rng.normal(size=(2, 7, 8, 3))
    (y,) = MAX_POOL2D.evaluate([x], attrs)
    g = rng.normal(size=y.shape)
    y_torch, dx_torch = pool(x, g, torch.nn.functional.max_pool2d, attrs)
    np.testing.assert_array_equal(y, y_torch)
    np.testing.assert_allclose(MAX_POOL2D_GRAD.evaluate([g, x], attrs)[0], dx_torch, rtol=1e-12)


@pytest.mark.parametrize("attrs", WINDOWS)
@pytest.mark.parametrize("count_include_pad", [False, True])
def test_average_equals_torch(attrs, count_include_pad):
    rng = np.random.default_rng(0)
    x, options = rng.normal(size=(2, 7, 8, 3)), {"count_include_pad": count_include_pad}
    (y,) = AVG_POOL2D.evaluate([x], attrs | options)
    g = rng.normal(size=y.shape)
    y_torch, dx_torch = pool(x, g, torch.nn.functional.avg_pool2d, attrs, **options)
    np.testing.assert_allclose(y, y_torch, rtol=1e-12)
    (dx,) = AVG_POOL2D_GRAD.evaluate([g], attrs | options | {"input_shape": x.shape})
    np.testing.assert_allclose(dx, dx_torch, rtol=1e-12)


def test_rounding_the_size_up_is_padding_at_the_end():
    """What PyTorch's ceil_mode does: the frontend turns it into padding, which is why padding has four sides."""
    x = np.random.default_rng(0).normal(size=(1, 5, 6, 2))
    attrs = {"kernel": (2, 3), "strides": (2, 2), "padding": (0, 0, 1, 1)}
    expected = pool(x, None, torch.nn.functional.max_pool2d, attrs, ceil_mode=True)
    np.testing.assert_array_equal(MAX_POOL2D.evaluate([x], attrs)[0], expected)
    expected = pool(x, None, torch.nn.functional.avg_pool2d, attrs, ceil_mode=True)
    (y,) = AVG_POOL2D.evaluate([x], attrs | {"count_include_pad": False})
    np.testing.assert_allclose(y, expected, rtol=1e-12)


def test_max_pools_integers():
    x = np.random.default_rng(0).integers(-128, -100, size=(1, 4, 4, 2), dtype=np.int8)
    (y,) = MAX_POOL2D.evaluate([x], WINDOWS[1])
    assert y.dtype == np.int8
    np.testing.assert_array_equal(y, MAX_POOL2D.evaluate([x.astype(np.float32)], WINDOWS[1])[0])


@pytest.mark.parametrize("op", [MAX_POOL2D, AVG_POOL2D])
def test_refuses_windows_on_padding_alone(op):
    attrs = {"kernel": (2, 2), "strides": (1, 1), "padding": (0, 2, 0, 0)}
    with pytest.raises(ValueError, match="must be smaller than the window"):
        op.infer([f32(1, 4, 4, 1)], attrs)

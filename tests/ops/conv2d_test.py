"""conv2d means what PyTorch's convolution means, and refuses what does not fit."""

import numpy as np
import pytest
import torch

from gradlet.ir.ops.conv2d import CONV2D, CONV2D_INPUT_GRAD, CONV2D_WEIGHT_GRAD
from gradlet.ir.tensor_type import f32

CASES = {
    "same": ((2, 6, 5, 4), (6, 3, 3, 4), {"strides": (1, 1), "padding": (1, 1, 1, 1)}),
    "pointwise": ((2, 6, 5, 4), (3, 1, 1, 4), {"strides": (1, 1), "padding": (0, 0, 0, 0)}),
    "strided pointwise": ((1, 7, 5, 4), (3, 1, 1, 4), {"strides": (3, 2), "padding": (0, 0, 0, 0)}),
    "asymmetric": ((1, 6, 7, 3), (2, 3, 2, 3), {"strides": (2, 1), "padding": (0, 2, 3, 1)}),
    "dilated": ((1, 9, 8, 2), (4, 3, 2, 2), {"strides": (1, 2), "padding": (2, 0, 1, 3), "dilation": (2, 3)}),
    "grouped": ((2, 5, 5, 6), (9, 3, 3, 2), {"strides": (2, 2), "padding": (1, 1, 1, 1), "groups": 3}),
    "kernel above input": ((1, 2, 1, 3), (2, 7, 5, 3), {"strides": (1, 1), "padding": (3, 2, 3, 2)}),
    "unseen border": ((1, 8, 9, 2), (3, 2, 3, 2), {"strides": (3, 4), "padding": (0, 0, 0, 0)}),
}


def torch_conv2d(x, w, attrs):
    """PyTorch on NHWC and OHWI; its own padding is symmetric, so the input is padded before."""
    top, left, bottom, right = attrs["padding"]
    padded = torch.nn.functional.pad(x.permute(0, 3, 1, 2), (left, right, top, bottom))
    options = {"dilation": attrs.get("dilation", 1), "groups": attrs.get("groups", 1)}
    y = torch.nn.functional.conv2d(padded, w.permute(0, 3, 1, 2), stride=attrs["strides"], **options)
    return y.permute(0, 2, 3, 1)


@pytest.mark.parametrize("case", CASES)
def test_equals_torch(case):
    x_shape, w_shape, attrs = CASES[case]
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=x_shape), rng.normal(size=w_shape)
    x_torch, w_torch = torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)
    y_torch = torch_conv2d(x_torch, w_torch, attrs)
    g = rng.normal(size=y_torch.shape)
    y_torch.backward(torch.tensor(g))

    (y,) = CONV2D.evaluate([x, w], attrs)
    np.testing.assert_allclose(y, y_torch.detach().numpy(), rtol=1e-12, atol=1e-12)
    (dx,) = CONV2D_INPUT_GRAD.evaluate([g, w], attrs | {"input_shape": x_shape})
    np.testing.assert_allclose(dx, x_torch.grad.numpy(), rtol=1e-12, atol=1e-12)
    (dw,) = CONV2D_WEIGHT_GRAD.evaluate([x, g], attrs | {"kernel": w_shape[1:3]})
    np.testing.assert_allclose(dw, w_torch.grad.numpy(), rtol=1e-12, atol=1e-12)


VALID = {"strides": (1, 1), "padding": (0, 0, 0, 0)}


@pytest.mark.parametrize(
    ("types", "attrs", "message"),
    [
        ([f32(1, 5, 5, 3), f32(4, 3, 3, 2)], VALID, "1 groups of weights .* read 2 channels, the input has 3"),
        ([f32(1, 5, 5, 4), f32(3, 3, 3, 2)], VALID | {"groups": 2}, "3 output channels do not divide into 2 groups"),
        ([f32(1, 2, 5, 3), f32(4, 3, 3, 3)], VALID, "3x3 window .* does not fit into a padded input of 2x5"),
        (
            [f32(1, 5, 5, 3), f32(4, 3, 3, 3)],
            VALID | {"dilation": (3, 1)},
            "a 3x3 window of 7x3 elements does not fit into a padded input of 5x5",
        ),
        ([f32(1, 5, 3), f32(4, 3, 3, 3)], VALID, "x f32.* has 3 axes, not the four of NHWC"),
        ([f32(1, 5, 5, 3), f32(4, 3, 3, 3), f32(3)], VALID, "bias .* does not match 4 output channels"),
        ([f32(1, 5, 5, 3), f32(4, 3, 3, 3)], VALID | {"strides": (0, 1)}, "strides is .0, 1., not 2 integers of at"),
        ([f32(1, 5, 5, 3), f32(4, 3, 3, 3)], {"strides": (1, 1)}, "padding is None, not 4 integers of at least 0"),
        ([f32(1, 5, 5, 3), f32(4, 3, 3, 3)], VALID | {"activation": "gelu"}, "activation 'gelu' is not one of none"),
    ],
)
def test_refuses(types, attrs, message):
    with pytest.raises(ValueError, match=message):
        CONV2D.infer(types, attrs)


def test_gradients_refuse_another_outputs_gradient():
    attrs = VALID | {"input_shape": (1, 5, 5, 3)}
    with pytest.raises(ValueError, match=r"gradient f32\[1,2,3,4\] does not begin with the axes \(1, 3, 3\)"):
        CONV2D_INPUT_GRAD.infer([f32(1, 2, 3, 4), f32(4, 3, 3, 3)], attrs)
    with pytest.raises(ValueError, match=r"gradient f32\[1,3,2,4\] does not begin with the axes \(1, 3, 3\)"):
        CONV2D_WEIGHT_GRAD.infer([f32(1, 5, 5, 3), f32(1, 3, 2, 4)], VALID | {"kernel": (3, 3)})

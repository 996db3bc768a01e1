"""What PyTorch calls each op: op -> function of tensors and attributes, with layouts as ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

ACTIVATIONS = {"none": lambda y: y, "relu": F.relu, "relu6": F.relu6}


def _activated(y: Tensor, attrs: Any) -> Tensor:
    return ACTIVATIONS[attrs.get("activation", "none")](y)


def _nchw(x: Tensor) -> Tensor:
    return x.movedim(-1, 1)


def _nhwc(x: Tensor) -> Tensor:
    return x.movedim(1, -1)


def _padded(x: Tensor, attrs: Any, value: float = 0.0) -> Tensor:
    """NCHW, with what the attribute `padding` asks for."""
    top, left, bottom, right = attrs["padding"]
    return F.pad(_nchw(x), (left, right, top, bottom), value=value)


def _conv2d(attrs: Any, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    options = {"stride": attrs["strides"], "dilation": attrs.get("dilation", 1), "groups": attrs.get("groups", 1)}
    return _activated(_nhwc(F.conv2d(_padded(x, attrs), _nchw(w), b, **options)), attrs)


def _conv2d_input_grad(attrs: Any, g: Tensor, w: Tensor) -> Tensor:
    options = {"stride": attrs["strides"], "dilation": attrs.get("dilation", 1), "groups": attrs.get("groups", 1)}
    padded = F.conv_transpose2d(_nchw(g), _nchw(w), **options)
    (top, left, _, _), (_, height, width, _) = attrs["padding"], attrs["input_shape"]
    rows, columns = padded.shape[2:]
    return _nhwc(F.pad(padded, (-left, left + width - columns, -top, top + height - rows)))


def _depthwise_conv2d(attrs: Any, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    options = {"stride": attrs["strides"], "dilation": attrs.get("dilation", 1), "groups": x.shape[-1]}
    return _activated(_nhwc(F.conv2d(_padded(x, attrs), w.movedim(-1, 0)[:, None], b, **options)), attrs)


def _matmul(attrs: Any, a: Tensor, b: Tensor) -> Tensor:
    a = a.mT if attrs.get("transpose_a", False) else a
    return a @ (b.mT if attrs.get("transpose_b", False) else b)


def _max_pool2d(attrs: Any, x: Tensor) -> Tensor:
    return _nhwc(F.max_pool2d(_padded(x, attrs, -torch.inf), attrs["kernel"], attrs["strides"]))


def _avg_pool2d(attrs: Any, x: Tensor) -> Tensor:
    def windows(t: Tensor, value: float = 0.0) -> Tensor:
        return F.avg_pool2d(_padded(t, attrs, value), attrs["kernel"], attrs["strides"], divisor_override=1)

    counted = windows(torch.ones_like(x), 1.0 if attrs.get("count_include_pad", True) else 0.0)
    return _nhwc(windows(x) / counted)


def _pad(attrs: Any, x: Tensor) -> Tensor:
    amounts = [n for pair in zip(reversed(attrs["before"]), reversed(attrs["after"]), strict=True) for n in pair]
    return F.pad(x, amounts, value=attrs.get("value", 0.0))


def _resize(attrs: Any, x: Tensor) -> Tensor:
    aligned, centred = attrs.get("align_corners", False), attrs.get("half_pixel_centers")
    mode = "nearest-exact" if attrs["mode"] == "nearest" and centred else attrs["mode"]
    if (mode, centred) == ("bilinear", False) or (aligned and mode != "bilinear"):
        return _resize_as_tensorflow(attrs, x)
    options = {"align_corners": aligned} if mode == "bilinear" else {}
    return _nhwc(F.interpolate(_nchw(x), size=attrs["size"], mode=mode, **options))


def _resize_as_tensorflow(attrs: Any, x: Tensor) -> Tensor:
    """Nearest with aligned corners, and bilinear with pixels at their indices: torch has neither."""
    for axis, outputs in zip((1, 2), attrs["size"], strict=True):
        inputs, steps = x.shape[axis], torch.arange(outputs, dtype=torch.float64)
        if attrs["mode"] == "nearest":
            scale = (inputs - 1) / (outputs - 1) if outputs > 1 else inputs / outputs
            place = (steps + 0.5 * attrs.get("half_pixel_centers", False)) * scale
            x = x.index_select(axis, (place + 0.5).floor().long().clamp(max=inputs - 1))
        else:
            place = steps * inputs / outputs
            low, fraction = place.long(), (place % 1).reshape([-1 if a == axis else 1 for a in range(4)])
            high = (low + 1).clamp(max=inputs - 1)
            x = x.index_select(axis, low) * (1 - fraction) + x.index_select(axis, high) * fraction
    return x


def _batch_norm(attrs: Any, x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    return _nhwc(F.batch_norm(_nchw(x), mean, var, gamma, beta, training=False, eps=attrs["eps"]))


def _batch_norm_train(attrs: Any, x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    options = {"training": True, "eps": attrs["eps"], "momentum": attrs["momentum"]}
    return _nhwc(F.batch_norm(_nchw(x), mean.clone(), var.clone(), gamma, beta, **options))


def _slice(attrs: Any, x: Tensor) -> Tensor:
    indices = torch.arange(attrs["begin"], attrs["end"], attrs.get("step", 1))
    return x.index_select(attrs["axis"], indices)


def _gather(attrs: Any, x: Tensor, indices: Tensor) -> Tensor:
    axis, shape = attrs["axis"] % x.ndim, list(x.shape)
    inside = torch.where(indices < 0, indices + shape[axis], indices).ravel().clamp(0, shape[axis] - 1)
    return x.index_select(axis, inside).reshape(*shape[:axis], *indices.shape, *shape[axis + 1 :])


def _fake_quantize(attrs: Any, x: Tensor, scale: Tensor) -> list[Tensor]:
    zero, bits = attrs.get("zero_point", 0), attrs.get("bits", 8)
    low, high = -(2 ** (bits - 1)) + attrs.get("narrow", False), 2 ** (bits - 1) - 1
    if "axis" not in attrs:
        return [torch.fake_quantize_per_tensor_affine(x, float(scale), zero, low, high)]
    zeros, axis = torch.full(scale.shape, zero, dtype=torch.int32), attrs["axis"] % x.ndim
    return [torch.fake_quantize_per_channel_affine(x, scale.float(), zeros, axis, low, high)]


def _reduced(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    # An empty tuple of axes means all of them to torch, none to numpy.
    return lambda attrs, x: function(x, attrs["axis"], attrs.get("keepdims", False)) if attrs["axis"] else x * 1


TORCH: dict[str, Callable[..., Any]] = {
    "add": lambda attrs, a, b: a + b,
    "sub": lambda attrs, a, b: a - b,
    "mul": lambda attrs, a, b: a * b,
    "div": lambda attrs, a, b: a / b,
    "pow": lambda attrs, a, b: a**b,
    "maximum": lambda attrs, a, b: torch.maximum(a, b),
    "minimum": lambda attrs, a, b: torch.minimum(a, b),
    "neg": lambda attrs, x: -x,
    "exp": lambda attrs, x: x.exp(),
    "log": lambda attrs, x: x.log(),
    "sqrt": lambda attrs, x: x.sqrt(),
    "rsqrt": lambda attrs, x: x.rsqrt(),
    "abs": lambda attrs, x: x.abs(),
    "scale": lambda attrs, x: x * attrs["factor"],
    "relu": lambda attrs, x: F.relu(x),
    "clip": lambda attrs, x: x.clamp(attrs["lo"], attrs["hi"]),
    "sigmoid": lambda attrs, x: x.sigmoid(),
    "silu": lambda attrs, x: F.silu(x),
    "hard_swish": lambda attrs, x: F.hardswish(x),
    "tanh": lambda attrs, x: x.tanh(),
    "leaky_relu": lambda attrs, x: F.leaky_relu(x, attrs["alpha"]),
    "elu": lambda attrs, x: F.elu(x, attrs["alpha"]),
    "gelu": lambda attrs, x: F.gelu(x, approximate="tanh" if attrs.get("approximate", False) else "none"),
    "fake_quantize": _fake_quantize,
    "softmax": lambda attrs, x: x.softmax(attrs.get("axis", -1)),
    "log_softmax": lambda attrs, x: x.log_softmax(attrs.get("axis", -1)),
    "sum": _reduced(torch.sum),
    "mean": _reduced(torch.mean),
    "max": _reduced(torch.amax),
    "min": _reduced(torch.amin),
    "reshape": lambda attrs, x: x.reshape(attrs["shape"]),
    "transpose": lambda attrs, x: x.permute(attrs["axes"]),
    "broadcast_to": lambda attrs, x: x.broadcast_to(attrs["shape"]),
    "concat": lambda attrs, *xs: torch.cat(xs, attrs["axis"]),
    "slice": _slice,
    "flip": lambda attrs, x: x.flip(attrs["axis"]),
    "gather": _gather,
    "split": lambda attrs, x: x.split(attrs["sizes"], attrs["axis"]),
    "pad": _pad,
    "resize": _resize,
    "cast": lambda attrs, x: x * 1,
    "masked": lambda attrs, g, m: torch.where(m, g * attrs.get("scale", 1.0), 0),
    "softmax_cross_entropy": lambda attrs, x, labels: F.cross_entropy(x, labels.long()),
    "mse": lambda attrs, x, target: F.mse_loss(x, target),
    "dense": lambda attrs, x, w, b=None: _activated(F.linear(x, w, b), attrs),
    "matmul": _matmul,
    "bias_add": lambda attrs, x, b: x + b,
    "conv2d": _conv2d,
    "conv2d_input_grad": _conv2d_input_grad,
    "depthwise_conv2d": _depthwise_conv2d,
    "max_pool2d": _max_pool2d,
    "avg_pool2d": _avg_pool2d,
    "batch_norm": _batch_norm,
    "batch_norm_train": _batch_norm_train,
}

"""Every int8 activation of a checkpoint, computed from its records in exact integers: an outside witness.

It shares no code with Gradlet, and knows nothing of constant channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional

INT32 = (-(2**31), 2**31 - 1)


def activations(content: dict[str, Any], image: np.ndarray, rounding: str) -> Iterator[tuple[str, np.ndarray]]:
    """(place, int8 NHWC) of each layer for `image`, int8 NHWC."""
    x = _convolution(content["first_conv"], image, rounding)
    yield "first_conv", x
    for index, block in enumerate(content["blocks"]):
        skip = x
        for kind in ("pointwise1", "depthwise", "pointwise2"):
            if block[kind]:
                x = _convolution(block[kind], x, rounding)
                yield f"blocks.{index}.{kind}", x
                last = block[kind]["params"]
        if block["residual"]:
            x = _addition(block["residual"]["params"], last, skip, x, rounding)
            yield f"blocks.{index}.residual", x
    total = x.astype(np.int64).sum(axis=(1, 2), keepdims=True)
    count = x.shape[1] * x.shape[2]
    x = np.rint(total / count) if rounding == "float" else np.sign(total) * ((2 * abs(total) + count) // (2 * count))
    yield "pool", x.astype(np.int8)
    yield "classifier", _convolution(content["classifier"], x.astype(np.int8), rounding)


def _convolution(record: dict[str, Any], x: np.ndarray, rounding: str) -> np.ndarray:
    p, stride, groups = record["params"], record["stride"], record["groups"]
    centred = torch.from_numpy(np.moveaxis(x.astype(np.float64) - p["x_zero"], 3, 1))
    weight = torch.from_numpy(p["weight"].astype(np.float64))
    sums = functional.conv2d(centred, weight, None, stride, weight.shape[-1] // 2, groups=groups)
    t = np.moveaxis(sums.numpy().astype(np.int64), 1, 3) + p["bias"].astype(np.int64)
    real = p["x_scale"] * p["w_scales"].astype(np.float64) / p["y_scale"]
    return _int8(_scaled(np.clip(t, *INT32), real, rounding), p["y_zero"])


def _addition(p: dict[str, Any], last: dict[str, Any], skip: np.ndarray, x: np.ndarray, rounding: str) -> np.ndarray:
    terms = [
        (skip.astype(np.int64) - p["x_zero"], p["x_scale"]),
        (x.astype(np.int64) - last["y_zero"], last["y_scale"]),
    ]
    if rounding == "float":
        first, second = (v.astype(np.float32) * np.float32(scale / p["y_scale"]) for v, scale in terms)
        return _int8(np.rint(first + second), p["y_zero"])
    twice = 2 * max(scale for _, scale in terms)
    total = sum(_scaled(v << 20, np.float64(scale / twice), rounding) for v, scale in terms)
    return _int8(_scaled(total, np.float64(twice / (2**20 * p["y_scale"])), rounding), p["y_zero"])


def _scaled(t: np.ndarray, real: np.ndarray, rounding: str) -> np.ndarray:
    """t * real for each channel, rounded."""
    if rounding == "float":
        return np.rint(t.astype(np.float32) * real.astype(np.float32))
    columns = np.broadcast_to(real, t.shape[-1:])
    return np.stack([_fixed(t[..., c], float(r), rounding) for c, r in enumerate(columns)], axis=-1)


def _fixed(t: np.ndarray, real: float, rounding: str) -> np.ndarray:
    """TFLite's MultiplyByQuantizedMultiplier, in numbers that do not overflow."""
    fraction, shift = math.frexp(real)
    mantissa = math.floor(fraction * 2**31 + 0.5)
    if mantissa == 2**31:
        mantissa, shift = 2**30, shift + 1
    if shift < -31:
        mantissa = shift = 0
    left, right = max(shift, 0), max(-shift, 0)
    if rounding == "single_rounding":
        return (t * mantissa + (1 << (30 - shift))) >> (31 - shift)
    product = np.clip(t << left, *INT32) * mantissa
    high = np.where(product >= 0, product + 2**30, product + 1 - 2**30)
    high = np.sign(high) * (abs(high) >> 31)
    if not right:
        return high
    half, rest = 1 << (right - 1), high & ((1 << right) - 1)
    return (high >> right) + (rest >= half + (high < 0))


def _int8(r: np.ndarray, zero: int) -> np.ndarray:
    return np.clip(r + zero, -128, 127).astype(np.int8)

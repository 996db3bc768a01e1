"""Pooling, and means over whole images."""

from __future__ import annotations

import math

import numpy as np

from gradlet.frontends.tflite.activations import fused, fused_int8
from gradlet.frontends.tflite.builder import Builder, per_channel
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.frontends.tflite.problems import UnsupportedError
from gradlet.frontends.tflite.quantized import MAX_RATIO, ROUNDING, factors
from gradlet.frontends.tflite.windows import window
from gradlet.ir.graph import Value
from gradlet.ir.requantize import quantize_multiplier
from gradlet.ir.tensor_type import DType, TensorType

_OPTIONS = "Pool2DOptions"
# More weights than this, all ones, are not made for a mean.
_MAX_ONES = 2**20


def average_pool_2d(b: Builder, op: Operator) -> Value:
    x = b.x(op)
    attrs = window(b, op, _OPTIONS, x)
    if b.is_int8(op):
        return fused_int8(b, op, _OPTIONS, b("qavg_pool2d", x, **attrs, rounding=ROUNDING))
    return fused(b, op, _OPTIONS, b("avg_pool2d", x, **attrs, count_include_pad=False))


def max_pool_2d(b: Builder, op: Operator) -> Value:
    x = b.x(op)
    y = b("max_pool2d", x, **window(b, op, _OPTIONS, x))
    return (fused_int8 if b.is_int8(op) else fused)(b, op, _OPTIONS, y)


def mean(b: Builder, op: Operator) -> Value:
    x, keeps = b.x(op), b.option(op, "ReducerOptions", "keep_dims")
    rank = len(x.type.shape)
    given = b.integers(op, 1).ravel().tolist()
    if not all(-rank <= axis < rank for axis in given):
        raise inconsistent(f"a mean over axes {given} of {x.type}", b.emit.loc)
    axes = tuple(sorted({axis % rank for axis in given}))
    if not b.is_int8(op):
        return b("mean", x, axis=axes, keepdims=keeps)
    return _int8_mean(b, op, x, axes)


def _int8_mean(b: Builder, op: Operator, x: Value, axes: tuple[int, ...]) -> Value:
    """A depthwise convolution whose weights are ones: TFLite scales the sum, once."""
    if not axes or axes != tuple(range(axes[0], axes[-1] + 1)):
        raise UnsupportedError(f"a mean over axes {list(axes)} in int8: such that lie side by side are supported")
    (x_scale, x_zero), (y_scale, y_zero) = b.scale(b.operand(op, 0)), b.scale(b.y(op))
    shape = x.type.shape
    rows, count, channels = (math.prod(s) for s in (shape[: axes[0]], [shape[a] for a in axes], shape[axes[-1] + 1 :]))
    if count * channels > _MAX_ONES:
        raise UnsupportedError(f"a mean of {count} elements for each of {channels} channels in int8")
    if not x_scale / y_scale < MAX_RATIO:
        raise inconsistent("the scale of its input is too large for that of its output", b.emit.loc)
    ratios = np.full(channels, x_scale / (y_scale * count))
    table = np.tile(np.array(mean_multiplier(x_scale / y_scale, count), np.int32), (channels, 1))
    ones = np.ones((count, 1, channels), np.int8)
    weight = b.buffer("ones", ones, TensorType(DType.I8, ones.shape, per_channel(np.ones(channels), 2)))
    bias_type = TensorType(DType.I32, (channels,), per_channel(np.full(channels, x_scale), 0))
    bias = b.buffer("zeros", np.zeros(channels), bias_type)
    attrs = {"x_zero": x_zero, "y_zero": y_zero, "y_scale": y_scale, "rounding": ROUNDING}
    window_attrs = {"strides": (1, 1), "padding": (0, 0, 0, 0)}
    columns = b("reshape", x, shape=(rows, count, 1, channels))
    y = b("qdepthwise_conv2d", columns, weight, bias, *factors(b, ratios, table), **window_attrs, **attrs)
    return b("reshape", y, shape=b.shape(b.y(op), y.type.size))


def mean_multiplier(ratio: float, count: int) -> tuple[int, int]:
    """(mantissa, shift) of ratio / count: TFLite divides the mantissa of the ratio, and cuts off."""
    mantissa, shift = quantize_multiplier(ratio)
    more = min(count.bit_length() - 1, 32, 31 + shift)
    return (mantissa << more) // count, shift - more


CONVERTERS = {"AVERAGE_POOL_2D": average_pool_2d, "MAX_POOL_2D": max_pool_2d, "MEAN": mean}

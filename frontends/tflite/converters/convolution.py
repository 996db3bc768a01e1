"""Convolutions, and dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlet.frontends.tflite.activations import fused, fused_int8
from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.converters.arithmetic import scales
from gradlet.frontends.tflite.converters.spatial import unpadded
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.frontends.tflite.problems import UnsupportedError
from gradlet.frontends.tflite.quantized import ROUNDING_OF_DENSE, linear
from gradlet.frontends.tflite.windows import window
from gradlet.ir.graph import Value
from gradlet.ir.tensor_type import f32


def conv2d(b: Builder, op: Operator) -> Value:
    shape, table = _weight_shape(b, op, 4), "Conv2DOptions"
    x, attrs = _padded(b, op, table, shape[1:3])
    channels = x.type.shape[3]
    if channels % shape[3]:
        raise inconsistent(f"weights {list(shape)} for {channels} channels", b.emit.loc)
    if channels != shape[3]:
        attrs["groups"] = channels // shape[3]
    if b.is_int8(op):
        return fused_int8(b, op, table, linear(b, op, "qconv2d", x, (0, 1, 2, 3), 0, **attrs))
    y = b("conv2d", x, b.parameter("weight", b.floats(op, 1)), **attrs)
    return fused(b, op, table, _biased(b, op, y))


def depthwise_conv2d(b: Builder, op: Operator) -> Value:
    shape, table = _weight_shape(b, op, 4), "DepthwiseConv2DOptions"
    x, attrs = _padded(b, op, table, shape[1:3])
    if shape[0] != 1 or shape[3] % x.type.shape[3]:
        raise inconsistent(f"weights {list(shape)} for {x.type.shape[3]} channels", b.emit.loc)
    if b.is_int8(op):
        return fused_int8(b, op, table, linear(b, op, "qdepthwise_conv2d", x, (1, 2, 3), 2, **attrs))
    w = b.state("weight", b.floats(op, 1), f32(*shape[1:]), (1, 2, 3, 0), shape)
    return fused(b, op, table, _biased(b, op, b("depthwise_conv2d", x, w, **attrs)))


def fully_connected(b: Builder, op: Operator) -> Value:
    x, (_, features), table = b.x(op), _weight_shape(b, op, 2), "FullyConnectedOptions"
    if b.option(op, table, "weights_format"):
        raise UnsupportedError("weights in a shuffled format")
    keeps = b.option(op, table, "keep_num_dims")
    if x.type.size % features or (keeps and x.type.shape[-1:] != (features,)):
        raise inconsistent(f"weights of {features} features for {x.type}", b.emit.loc)
    shape = (x.type.size // features, features)
    rows = x if x.type.shape == shape else b("reshape", x, shape=shape)
    if b.is_int8(op):
        constant = b.is_constant(op, 1)
        y = linear(b, op, "qdense", rows, (0, 1), 0, ROUNDING_OF_DENSE) if constant else _computed(b, op, rows)
        y = fused_int8(b, op, table, y)
    else:
        w = b.parameter("weight", b.floats(op, 1)) if b.is_constant(op, 1) else b.x(op, 1)
        y = fused(b, op, table, _biased(b, op, b("dense", rows, w)))
    return b("reshape", y, shape=(*x.type.shape[:-1], y.type.shape[-1])) if keeps and len(x.type.shape) != 2 else y


def _computed(b: Builder, op: Operator, rows: Value) -> Value:
    """A product with int8 weights that an operator makes."""
    if b.has(op, 2):
        raise UnsupportedError("in int8 with a bias and weights that are no constant")
    return b("qmatmul", rows, b.x(op, 1), transpose_b=True, **{**scales(b, op), "rounding": ROUNDING_OF_DENSE})


def _padded(b: Builder, op: Operator, table: str, kernel: Sequence[int]) -> tuple[Value, dict[str, Any]]:
    """The input and the window; a PAD before becomes the window's own padding, which adds nothing to the sums."""
    x = b.x(op)
    attrs = window(b, op, table, x, kernel)
    if any(attrs["padding"]):
        return x, attrs
    x, padding = unpadded(b, x, b.scale(b.operand(op, 0))[1] if b.is_int8(op) else 0.0)
    return x, attrs | {"padding": padding}


def _weight_shape(b: Builder, op: Operator, axes: int) -> tuple[int, ...]:
    shape = b.operand(op, 1).shape
    if len(shape) != axes:
        raise inconsistent(f"weights {list(shape)} have not {axes} axes", b.emit.loc)
    return shape


def _biased(b: Builder, op: Operator, y: Value) -> Value:
    return b("bias_add", y, b.parameter("bias", b.floats(op, 2))) if b.has(op, 2) else y


CONVERTERS = {"CONV_2D": conv2d, "DEPTHWISE_CONV_2D": depthwise_conv2d, "FULLY_CONNECTED": fully_connected}

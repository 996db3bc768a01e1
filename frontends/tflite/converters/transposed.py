"""Transposed convolution: the input gradient of a convolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradlet.frontends.tflite.activations import fused, fused_int8
from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.converters.spatial import size_of
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.frontends.tflite.quantized import linear
from gradlet.frontends.tflite.windows import strided
from gradlet.ir.graph import Value
from gradlet.ir.tensor_type import f32
from gradlet.ir.windows import Window

_TABLE = "TransposeConvOptions"


def transpose_conv(b: Builder, op: Operator) -> Value:
    x, w = b.x(op, 2), b.operand(op, 1).shape
    if len(x.type.shape) != 4 or len(w) != 4 or x.type.shape[3] != w[3]:
        raise inconsistent(f"weights {list(w)} for {x.type}", b.emit.loc)
    shape = (x.type.shape[0], *size_of(b, op, 0), w[0])
    attrs = strided(b, op, _TABLE, shape, w[1:3])
    if Window(w[1:3], **attrs).output_size(shape) != x.type.shape[1:3]:
        raise inconsistent(f"{op.name} does not make {list(shape)} of {x.type}", b.emit.loc)
    convolution = replace(op, inputs=(op.inputs[2], op.inputs[1], *op.inputs[3:]))
    if b.is_int8(convolution):
        return fused_int8(b, op, _TABLE, _int8(b, convolution, x, w[1:3], shape, **attrs))
    order = (3, 1, 2, 0)
    weight = b.state("weight", b.floats(op, 1).transpose(order), f32(*(w[k] for k in order)), order, w)
    y = b("conv2d_input_grad", x, weight, input_shape=shape, **attrs)
    return fused(b, op, _TABLE, b("bias_add", y, b.parameter("bias", b.floats(op, 3))) if b.has(op, 3) else y)


def _int8(
    b: Builder,
    op: Operator,
    x: Value,
    kernel: Sequence[int],
    shape: Sequence[int],
    strides: tuple[int, ...],
    padding: tuple[int, ...],
) -> Value:
    """A convolution of the pixels, spread `strides` apart, with the weights turned by 180 degrees."""
    x = _spread(b, x, strides, b.scale(b.operand(op, 0))[1])
    around = []
    for axis in (0, 1):
        before = kernel[axis] - 1 - padding[axis]
        after = shape[axis + 1] + padding[axis] - x.type.shape[axis + 1]
        if after < 0:
            x = b("slice", x, axis=axis + 1, begin=0, end=x.type.shape[axis + 1] + after)
        around.append((before, max(after, 0)))
    (top, bottom), (left, right) = around
    y = linear(b, op, "qconv2d", x, (0, 1, 2, 3), 0, strides=(1, 1), padding=(top, left, bottom, right))
    assert y.producer is not None
    _turn(b, y.producer.inputs[1])
    return y


def _spread(b: Builder, x: Value, strides: Sequence[int], zero: int) -> Value:
    """Each pixel in the corner of a block of `strides` zeros."""
    if set(strides) == {1}:
        return x
    n, h, w, c = x.type.shape
    points = b("reshape", x, shape=(n, h, 1, w, 1, c))
    after = (0, 0, strides[0] - 1, 0, strides[1] - 1, 0)
    blocks = b("pad", points, before=(0,) * 6, after=after, value=float(zero))
    return b("reshape", blocks, shape=(n, h * strides[0], w * strides[1], c))


def _turn(b: Builder, weight: Value) -> None:
    """Reverses rows and columns of a weight OHWI; it is given back as the file has it."""
    state = b.graph.state_of(weight)
    assert state is not None and state.source is not None
    orders = tuple((axis, tuple(reversed(range(weight.type.shape[axis])))) for axis in (1, 2))
    state.init = np.ascontiguousarray(state.init[:, ::-1, ::-1])
    state.source = replace(state.source, orders=orders)


CONVERTERS = {"TRANSPOSE_CONV": transpose_conv}

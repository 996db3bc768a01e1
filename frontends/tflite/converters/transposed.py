"""Transposed convolution: the input gradient of a convolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradlet.frontends.tflite.activations import fused, fused_int8
from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.converters.spatial import size_of
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.frontends.tflite.quantized import linear
from gradlet.frontends.tflite.windows import strided
from gradlet.ir.graph import Attrs, Value
from gradlet.ir.tensor_type import f32
from gradlet.ir.transposed_convolution import spread, turned
from gradlet.ir.windows import Window

_TABLE = "TransposeConvOptions"


def transpose_conv(b: Builder, op: Operator) -> Value:
    x, w = b.x(op, 2), b.operand(op, 1).shape
    if len(x.type.shape) != 4 or len(w) != 4 or x.type.shape[3] != w[3]:
        raise inconsistent(f"weights {list(w)} for {x.type}", b.emit.loc)
    shape = (x.type.shape[0], *size_of(b, op, 0), w[0])
    window = strided(b, op, _TABLE, shape, w[1:3])
    attrs = {"input_shape": shape, **window}
    try:
        size = Window(w[1:3], **window).output_size(shape)
    except ValueError as error:
        raise inconsistent(f"{op.name}: {error}", b.emit.loc) from error
    if size != x.type.shape[1:3]:
        raise inconsistent(f"{op.name} does not make {list(shape)} of {x.type}", b.emit.loc)
    convolution = replace(op, inputs=(op.inputs[2], op.inputs[1], *op.inputs[3:]))
    if b.is_int8(convolution):
        return fused_int8(b, op, _TABLE, _int8(b, convolution, x, w[1:3], attrs))
    order = (3, 1, 2, 0)
    weight = b.state("weight", b.floats(op, 1).transpose(order), f32(*(w[k] for k in order)), order, w)
    y = b("conv2d_input_grad", x, weight, **attrs)
    return fused(b, op, _TABLE, b("bias_add", y, b.parameter("bias", b.floats(op, 3))) if b.has(op, 3) else y)


def _int8(b: Builder, op: Operator, x: Value, kernel: Sequence[int], attrs: Attrs) -> Value:
    pixels, window = spread(b.emit, x, kernel, attrs, float(b.scale(b.operand(op, 0))[1]))
    y = linear(b, op, "qconv2d", pixels, (0, 1, 2, 3), 0, **window)
    assert y.producer is not None
    state = b.graph.state_of(y.producer.inputs[1])
    assert state is not None and state.source is not None
    state.init, state.source = turned(state.init, state.source)
    return y


CONVERTERS = {"TRANSPOSE_CONV": transpose_conv}

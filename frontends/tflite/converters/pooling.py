"""Pooling, and means over whole images."""

from __future__ import annotations

from gradlet.frontends.tflite.activations import fused, fused_int8
from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.model import Operator
from gradlet.frontends.tflite.quantized import ROUNDING
from gradlet.frontends.tflite.windows import window
from gradlet.ir.graph import Value

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


CONVERTERS = {"AVERAGE_POOL_2D": average_pool_2d, "MAX_POOL_2D": max_pool_2d}

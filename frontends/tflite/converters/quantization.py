"""Between element types."""

from __future__ import annotations

import numpy as np

from gradlet.frontends.tflite.builder import Builder, real
from gradlet.frontends.tflite.converters.functions import scales
from gradlet.frontends.tflite.model import Operator
from gradlet.frontends.tflite.problems import UnsupportedError
from gradlet.frontends.tflite.quantized import ROUNDING
from gradlet.ir.graph import Value
from gradlet.ir.tensor_type import DType

_QUANTIZED = (DType.I8, DType.U8)
_CAST = (DType.F32, DType.I32, DType.I64, DType.I8, DType.U8, DType.B1)


def quantize(b: Builder, op: Operator) -> Value:
    """From floats, or from another scale; uint8 is int8 here, which `Builder.type` says."""
    x, y = b.operand(op, 0), b.y(op)
    if y.dtype not in _QUANTIZED or x.dtype not in (DType.F32, *_QUANTIZED):
        raise UnsupportedError(f"{x.type_name} to {y.type_name}")
    scale, zero = b.scale(y)
    if x.dtype is DType.F32:
        return b("quantize", b.x(op), scale=scale, zero_point=zero, rounding=ROUNDING)
    return b.x(op) if (scale, zero) == b.scale(x) else b("requantize", b.x(op), **scales(b, op), rounding=ROUNDING)


def dequantize(b: Builder, op: Operator) -> Value | None:
    """A constant stays one: weights that are kept in float16 or int8 and computed with in float32."""
    x = b.operand(op, 0)
    if b.y(op).dtype is not DType.F32:
        raise UnsupportedError(f"{x.type_name} to {b.y(op).type_name}")
    if b.is_constant(op, 0):
        content = b.constant(op, 0)
        b.contents[b.y(op).index] = content if content.dtype == np.float32 else real(content, x)
        return None
    scale, zero = b.scale(x)
    return b("dequantize", b.x(op), scale=scale, zero_point=zero)


def cast(b: Builder, op: Operator) -> Value:
    """The stored numbers as those of another type."""
    x, y = b.operand(op, 0), b.y(op)
    for tensor in (x, y):
        if tensor.dtype not in _CAST or (tensor.dtype is DType.U8 and tensor.quantization):
            raise UnsupportedError(f"{x.type_name} to {y.type_name}")
    value, to = b.x(op), b.type(y, ()).dtype
    return value if value.type.dtype is to and not value.type.quant else b("cast", value, dtype=to.value)


CONVERTERS = {"QUANTIZE": quantize, "DEQUANTIZE": dequantize, "CAST": cast}

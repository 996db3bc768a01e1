"""Between floats and int8, and softmax."""

from __future__ import annotations

import numpy as np

from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.converters.elementwise import requantized
from gradlet.frontends.tflite.model import Operator, Tensor
from gradlet.frontends.tflite.problems import UnsupportedError
from gradlet.frontends.tflite.quantized import ROUNDING
from gradlet.ir.graph import Value
from gradlet.ir.tensor_type import DType


def quantize(b: Builder, op: Operator) -> Value:
    x, y = b.operand(op, 0), b.y(op)
    if (x.dtype, y.dtype) == (DType.I8, DType.I8):
        return requantized(b, op)
    if (x.dtype, y.dtype) != (DType.F32, DType.I8):
        raise UnsupportedError(f"{x.type_name} to {y.type_name}")
    scale, zero = b.scale(y)
    return b("quantize", b.x(op), scale=scale, zero_point=zero, rounding=ROUNDING)


def dequantize(b: Builder, op: Operator) -> Value | None:
    """A constant stays one: weights that are kept in float16 or int8 and computed with in float32."""
    x = b.operand(op, 0)
    if b.y(op).dtype is not DType.F32:
        raise UnsupportedError(f"{x.type_name} to {b.y(op).type_name}")
    if x.content is not None:
        b.contents[b.y(op).index] = _real(b.constant(op, 0), x)
        return None
    scale, zero = b.scale(x)
    return b("dequantize", b.x(op), scale=scale, zero_point=zero)


def _real(content: np.ndarray, tensor: Tensor) -> np.ndarray:
    if tensor.dtype in (DType.F16, DType.F32):
        return content.astype(np.float32)
    quantization = tensor.quantization
    if tensor.dtype is not DType.I8 or quantization is None:
        raise UnsupportedError(f"a constant of type {tensor.type_name}")
    shape = [-1 if axis == quantization.axis else 1 for axis in range(content.ndim)]
    scale, zero = (np.array(n, np.float32).reshape(shape) for n in (quantization.scales, quantization.zero_points))
    real: np.ndarray = (content.astype(np.float32) - zero) * scale
    return real


def softmax(b: Builder, op: Operator) -> Value:
    """Inside of a model; one at its end is the loss's."""
    b.only_float(op)
    if b.option(op, "SoftmaxOptions", "beta") != 1:
        raise UnsupportedError("a softmax with beta other than 1")
    return b("softmax", b.x(op), axis=-1)


CONVERTERS = {"QUANTIZE": quantize, "DEQUANTIZE": dequantize, "SOFTMAX": softmax}

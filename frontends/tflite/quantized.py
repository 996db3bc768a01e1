"""Layers on int8: the states they need, and how TFLite scales their sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.model import Operator, Tensor, inconsistent
from gradlet.frontends.tflite.problems import UnsupportedError
from gradlet.ir import quantized_states
from gradlet.ir.constant_channels import Layer, harmless
from gradlet.ir.graph import Source, Value
from gradlet.ir.tensor_type import DType

# What TFLite's kernels do, but for FULLY_CONNECTED.
ROUNDING, ROUNDING_OF_DENSE = "double_rounding", "single_rounding"
# What grows by one may not leap over all of int8.
MAX_RATIO = 256.0


def scales_of(tensor: Tensor, axis: int) -> np.ndarray:
    """float64[O] of weights; one of the tensor stands for all."""
    quantization = tensor.quantization
    if tensor.dtype is not DType.I8 or quantization is None:
        raise UnsupportedError(f"weights of type {tensor.type_name} for activations in int8")
    if any(quantization.zero_points):
        raise UnsupportedError("weights with a zero point")
    if quantization.axis not in (None, axis):
        raise UnsupportedError(f"scales of the weights along axis {quantization.axis}, not {axis}")
    scales = np.array(quantization.scales, np.float64)
    return np.broadcast_to(scales, tensor.shape[axis]) if quantization.axis is None else scales


def linear(
    b: Builder,
    op: Operator,
    ir_op: str,
    x: Value,
    ir_axes: Sequence[int],
    out_axis: int,
    rounding: str = ROUNDING,
    **attrs: Any,
) -> Value:
    """An op with int8 weights.

    Args:
        ir_axes: Axes of TFLite's weights that those of the IR consist of, in their order; all others have size 1.
        out_axis: Which of the IR's are output channels.
        rounding: Of the sums.
    """
    (x_scale, x_zero), (y_scale, y_zero) = b.scale(b.operand(op, 0)), b.scale(b.y(op))
    tensor = b.operand(op, 1)
    content, w_scales = b.constant(op, 1), scales_of(tensor, ir_axes[out_axis])
    ratios = x_scale * w_scales / y_scale
    if not (ratios < MAX_RATIO).all():
        raise inconsistent("the scales of its input and weight are too large for that of its output", b.emit.loc)
    permutation = (*ir_axes, *(axis for axis in range(content.ndim) if axis not in ir_axes))
    weight = content.transpose(permutation).reshape([content.shape[axis] for axis in ir_axes])
    numbers = weight, out_axis, _bias(b, op, len(ratios)), ratios, w_scales
    layer = harmless(Layer(*numbers, x_zero=x_zero, y_zero=y_zero, rounding=rounding))
    operands = _states(b, op, layer, x_scale, permutation, content.shape)
    return b(ir_op, x, *operands, x_zero=x_zero, y_zero=y_zero, y_scale=y_scale, rounding=rounding, **attrs)


def _states(
    b: Builder, op: Operator, layer: Layer, x_scale: float, permutation: tuple[int, ...], shape: tuple[int, ...]
) -> list[Value]:
    """The operands after x."""
    place, graph = b.emit.loc, b.graph
    names = [graph.free_name(f"{place}.{name}") for name in ("weight", "bias")]
    sources = Source(names[0], shape, shape, permutation), Source(names[1], layer.bias.shape, layer.bias.shape, (0,))
    weight, bias = map(quantized_states.Parameter, names, (layer.weight, layer.bias), (True, True), sources)
    bias = bias if b.has(op, 2) else replace(bias, trainable=False, source=None)
    scales = layer.weight_scales
    made = quantized_states.Layer(weight, bias, layer.axis, scales, x_scale, layer.ratios)
    return quantized_states.add_layer(graph, made, place, layer.rounding)


def _bias(b: Builder, op: Operator, channels: int) -> np.ndarray:
    if not b.has(op, 2):
        return np.zeros(channels, np.int32)
    content = b.constant(op, 2)
    if content.dtype != np.int32:
        raise UnsupportedError(f"a bias of type {content.dtype.name} for activations in int8")
    if content.shape != (channels,):
        raise inconsistent(f"a bias of {list(content.shape)} for {channels} channels", b.emit.loc)
    return content

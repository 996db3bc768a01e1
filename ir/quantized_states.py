"""The states of an int8 layer: weight, bias, and what its sums are multiplied by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlet.ir.graph import Graph, Role, Source, Value
from gradlet.ir.requantize import quantize_multipliers
from gradlet.ir.tensor_type import DType, QuantParams, TensorType, f32, i32


@dataclass(frozen=True, eq=False)
class Parameter:
    """A weight or a bias.

    Attributes:
        name: Of its state, where that is free.
        content: Integers in the layout of the op.
        trainable: Whether it may learn.
        source: What it is in the user's model.
    """

    name: str
    content: np.ndarray
    trainable: bool = True
    source: Source | None = None


@dataclass(frozen=True, eq=False)
class Layer:
    """What a layer on int8 computes with.

    Attributes:
        weight: int8.
        bias: int32[O]; None adds nothing, and learns nothing.
        out_axis: Axis of the weight with one slice for each of O output channels.
        weight_scales: float64[O]; 0 marks a channel that is constant.
        x_scale: Of the input.
        ratios: What the sums are multiplied by, float64[O].
    """

    weight: Parameter
    bias: Parameter | None
    out_axis: int
    weight_scales: np.ndarray
    x_scale: float
    ratios: np.ndarray


def add_layer(graph: Graph, layer: Layer, place: str, rounding: str = "float") -> list[Value]:
    """The operands of an op after its input: weight, bias, scale and, unless rounding is float, multiplier.

    Args:
        place: What the names of constants begin with.
    """
    scales = layer.ratios.astype(np.float32)
    weight_quant = per_channel(layer.weight_scales, layer.out_axis)
    bias_quant = per_channel(layer.x_scale * layer.weight_scales, 0)
    no_bias = Parameter(f"{place}.bias", np.zeros(scales.shape), trainable=False)
    operands = [
        _parameter(graph, layer.weight, DType.I8, weight_quant),
        _parameter(graph, layer.bias or no_bias, DType.I32, bias_quant),
        _buffer(graph, f"{place}.scale", scales, f32(*scales.shape)),
    ]
    if rounding != "float":
        table = quantize_multipliers(layer.ratios.tolist())
        operands.append(_buffer(graph, f"{place}.multiplier", table, i32(*table.shape)))
    return operands


def per_channel(scales: np.ndarray, axis: int) -> QuantParams:
    """Scales along an axis, zero points 0."""
    return QuantParams(tuple(scales.tolist()), (0,) * len(scales), axis)


def _parameter(graph: Graph, given: Parameter, dtype: DType, quant: QuantParams) -> Value:
    name, content = graph.free_name(given.name), given.content.astype(dtype.numpy)
    role = Role.PARAMETER if given.source else Role.BUFFER
    type_ = TensorType(dtype, content.shape, quant)
    return graph.add_state(name, content, type_, role, trainable=given.trainable, source=given.source)


def _buffer(graph: Graph, name: str, content: np.ndarray, type_: TensorType) -> Value:
    return graph.add_state(graph.free_name(name), content, type_, Role.BUFFER)

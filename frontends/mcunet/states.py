"""The states of an int8 layer: weight, bias, and what its sums are multiplied by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlet.frontends.mcunet.checkpoint import Convolution
from gradlet.ir.constant_channels import Layer, harmless
from gradlet.ir.graph import Graph, Role, Source, Value
from gradlet.ir.requantize import quantize_multipliers
from gradlet.ir.tensor_type import DType, QuantParams, TensorType, f32, i32


@dataclass(frozen=True)
class Layout:
    """How an op wants its weight.

    Attributes:
        op: The op.
        permutation: Order of the axes, from OIHW.
        axes: How many of them there are; those that follow have size 1.
    """

    op: str
    permutation: tuple[int, ...]
    axes: int

    def shape(self, weight: np.ndarray) -> tuple[int, ...]:
        return tuple(weight.shape[axis] for axis in self.permutation[: self.axes])


CONV2D = Layout("qconv2d", (0, 2, 3, 1), 4)
DEPTHWISE = Layout("qdepthwise_conv2d", (2, 3, 0, 1), 3)
DENSE = Layout("qdense", (0, 1, 2, 3), 2)


def add_states(graph: Graph, conv: Convolution, layout: Layout, rounding: str) -> list[Value]:
    """The operands of the layer after its input: weight, bias, scale and, unless rounding is float, multiplier."""
    numbers = harmless(layer_of(conv, rounding))
    bias_quant = _per_channel(conv.x.scale * numbers.weight_scales, 0)
    scales = numbers.ratios.astype(np.float32)
    operands = [
        _weight(graph, f"{conv.place}.weight", numbers.weight, layout, numbers.weight_scales),
        _bias(graph, f"{conv.place}.bias", numbers.bias, bias_quant),
        graph.add_state(f"{conv.place}.scale", scales, f32(*scales.shape), Role.BUFFER),
    ]
    if rounding != "float":
        table = quantize_multipliers(numbers.ratios.tolist())
        operands.append(graph.add_state(f"{conv.place}.multiplier", table, i32(*table.shape), Role.BUFFER))
    return operands


def layer_of(conv: Convolution, rounding: str) -> Layer:
    """What the checkpoint says of a layer."""
    numbers = conv.weight, 0, conv.bias, conv.ratios, conv.weight_scales
    return Layer(*numbers, x_zero=conv.x.zero, y_zero=conv.y.zero, rounding=rounding)


def _weight(graph: Graph, name: str, weight: np.ndarray, layout: Layout, scales: np.ndarray) -> Value:
    shape = layout.shape(weight)
    source = Source(name, weight.shape, weight.shape, layout.permutation)
    type_ = TensorType(DType.I8, shape, _per_channel(scales, layout.permutation.index(0)))
    return graph.add_state(name, source.to_ir(weight, shape), type_, trainable=True, source=source)


def _bias(graph: Graph, name: str, bias: np.ndarray, quant: QuantParams) -> Value:
    source = Source(name, bias.shape, bias.shape, (0,))
    return graph.add_state(name, bias, TensorType(DType.I32, bias.shape, quant), trainable=True, source=source)


def _per_channel(scales: np.ndarray, axis: int) -> QuantParams:
    return QuantParams(tuple(scales.tolist()), (0,) * len(scales), axis)

"""The states of an int8 layer: weight, bias, and what its sums are multiplied by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradlet.frontends.mcunet.checkpoint import Convolution
from gradlet.ir import quantized_states
from gradlet.ir.constant_channels import Layer, harmless
from gradlet.ir.graph import Graph, Source, Value


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
    weight = _parameter(f"{conv.place}.weight", numbers.weight, layout.permutation, layout.shape(numbers.weight))
    bias = _parameter(f"{conv.place}.bias", numbers.bias, (0,), numbers.bias.shape)
    axis, scales = layout.permutation.index(0), numbers.weight_scales
    layer = quantized_states.Layer(weight, bias, axis, scales, conv.x.scale, numbers.ratios)
    return quantized_states.add_layer(graph, layer, conv.place, rounding)


def layer_of(conv: Convolution, rounding: str) -> Layer:
    """What the checkpoint says of a layer."""
    numbers = conv.weight, 0, conv.bias, conv.ratios, conv.weight_scales
    return Layer(*numbers, x_zero=conv.x.zero, y_zero=conv.y.zero, rounding=rounding)


def _parameter(
    name: str, content: np.ndarray, permutation: tuple[int, ...], shape: tuple[int, ...]
) -> quantized_states.Parameter:
    source = Source(name, content.shape, content.shape, permutation)
    return quantized_states.Parameter(name, source.to_ir(content, shape), source=source)

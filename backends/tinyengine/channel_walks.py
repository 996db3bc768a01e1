"""Which channel each element of the updated part belongs to: kernels/channel_walk.h."""

from __future__ import annotations

import math

from gradlet.ir.graph import Node
from gradlet.ir.updates import region, shape_of


def channels(node: Node) -> tuple[int, int]:
    """The number of channels, and the neighbouring elements of one channel."""
    shape, axis = shape_of(region(node.attrs), node.inputs[0].type), node.attrs["channel_axis"]
    return shape[axis], math.prod(shape[axis + 1 :])


def weight_decay(node: Node) -> float:
    return float(node.attrs.get("weight_decay") or 0.0)

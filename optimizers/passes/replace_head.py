"""Gives a model a new head, for another number of classes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Node, State, Value
from gradlet.ir.op_def import OpSet
from gradlet.ir.passes import Context
from gradlet.optimizers.layers import Layer, find_layers


@dataclass(frozen=True)
class ReplaceHead:
    """The last dense layer or 1x1 convolution gets new weights (He initialisation) and a bias of zeros.

    Attributes:
        classes: Channels of the new head.
        seed: Of its weights.
    """

    name: ClassVar[str] = "replace_head"
    keeps_numbers: ClassVar[bool] = False
    classes: int
    seed: int = 0

    def run(self, graph: Graph, context: Context) -> bool:
        if self.classes < 1:
            raise CompileError("GL212", f"a head of {self.classes} classes", hint="give 1 or more")
        layer = _head(graph)
        old = layer.node.outputs[0].type.shape[-1]
        fan_in = layer.weight.init.size // old
        shape = (self.classes, *layer.weight.init.shape[1:])
        drawn = np.random.default_rng(self.seed).normal(0, math.sqrt(2 / fan_in), shape)
        _resize(layer.weight, drawn)
        for bias in layer.biases:
            _resize(bias, np.zeros(self.classes))
        _retype(graph, context.ops, layer.node, old, self.classes)
        return True


def _head(graph: Graph) -> Layer:
    _, head = find_layers(graph)
    place = head.name if head else ""
    hint = "replace the head in the model itself"
    if head is None:
        raise CompileError("GL223", "the predictions are not made by a dense layer or a convolution", place, hint)
    kernel = head.weight.init.shape[1:-1]
    if head.node.op == "depthwise_conv2d" or any(k != 1 for k in kernel) or head.node.attrs.get("groups", 1) != 1:
        raise CompileError("GL223", f"the head is a {head.node.op} of {list(kernel)}, not 1x1", place, hint)
    if head.scales or any(len(s.value.users) > 1 for s in (head.weight, *head.biases)):
        raise CompileError("GL223", "the head shares its weights, or has a batch norm", place, hint)
    return head


def _resize(state: State, init: np.ndarray) -> None:
    """New content with another number of output channels, which are the first axis here and in the user's model."""
    value, count = state.value, len(init)
    state.init, state.trainable, state.region = init.astype(state.init.dtype), True, None
    value.type = value.type.with_shape(*init.shape)
    if state.source:
        source = state.source
        shape, view = (count, *source.shape[1:]), (count, *source.view[1:])
        state.source = replace(source, shape=shape, view=view, orders=(), rescales=())


def _retype(graph: Graph, ops: OpSet, head: Node, old: int, new: int) -> None:
    """Infers the types from the head on; the shape of a reshape follows."""
    changed: set[Value] = set()
    for node in graph.nodes:
        if node is not head and not changed.intersection(node.inputs):
            continue
        if node.op in ("reshape", "broadcast_to") and node.attrs["shape"][-1] == old:
            node.attrs = {**node.attrs, "shape": (*node.attrs["shape"][:-1], new)}
        try:
            types = ops[node.op].infer([v.type for v in node.inputs], node.attrs)
        except ValueError as error:
            what = f"{node.op} after the head does not take {new} channels: {error}"
            raise CompileError("GL223", what, node.loc, "replace the head in the model itself") from error
        for value, type_ in zip(node.outputs, types, strict=True):
            value.type = type_
            changed.add(value)


PASS = ReplaceHead

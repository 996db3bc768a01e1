"""The memory of training as "On-Device Training Under 256KB Memory" counts it, for comparison with the real one."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from gradlet.ir.graph import Graph, State, Value
from gradlet.optimizers.layers import Layer, find_layers

# Ops that show the values of their operand in another form: what lies before them is kept.
_VIEWS = ("reshape", "dequantize")


@dataclass(frozen=True)
class AnalyticMemory:
    """Bits for one sample, besides those of an inference.

    It counts a mask for every output of a layer whose bias learns, no weight or bias of the head, and neither
    gradients nor working memory: it is not what a device needs.

    Attributes:
        weights: What learns of the weights.
        biases: Those that learn.
        inputs: The kept channels of the inputs of layers whose weights learn, and the head's input.
        masks: One bit for each element of the outputs of layers whose biases learn.
    """

    weights: int
    biases: int
    inputs: int
    masks: int

    @property
    def total(self) -> int:
        return self.weights + self.biases + self.inputs + self.masks

    def bytes(self) -> dict[str, int]:
        """By kind, each rounded up; the total is rounded once."""
        bits = {"total": self.total, **asdict(self)}
        return {kind: -(-count // 8) for kind, count in bits.items()}


def analytic_memory(graph: Graph) -> AnalyticMemory:
    """The count for what is marked as learning, at any stage after sparse_update."""
    layers, head = find_layers(graph)
    inputs = sum(_kept_input(layer) for layer in layers)
    if head and any(s.trainable for s in head.parts):
        inputs += _bits(_before_views(head.node.inputs[0]))
    return AnalyticMemory(
        weights=sum(_learning_bits(s) for layer in layers for s in layer.parts),
        biases=sum(_learning_bits(s) for layer in layers for s in layer.biases),
        inputs=inputs,
        masks=sum(_elements(layer.node.outputs[0]) for layer in layers if any(s.trainable for s in layer.biases)),
    )


def _learning_bits(state: State) -> int:
    return state.learning * state.value.type.dtype.bits


def _kept_input(layer: Layer) -> int:
    """Bits of the input channels that learn."""
    channels = sum(s.value.type.shape[layer.axes.inp] for s in layer.parts)
    slices = sum(s.value.type.size for s in layer.parts) // channels
    learning = sum(s.learning for s in layer.parts) // slices
    return _bits(layer.node.inputs[0]) * learning // channels


def _elements(value: Value) -> int:
    """Of one sample: the first axis is the batch."""
    size, shape = value.type.size, value.type.shape
    return size // shape[0] if shape else size


def _bits(value: Value) -> int:
    return _elements(value) * value.type.dtype.bits


def _before_views(value: Value) -> Value:
    while value.producer and value.producer.op in _VIEWS:
        value = value.producer.inputs[0]
    return value

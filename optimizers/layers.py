"""The layers of a model: linear ops with the parameters that belong to them, in order from the input."""

from __future__ import annotations

from dataclasses import dataclass

from gradlet.ir.graph import Graph, Node, Phase, Role, State, Value
from gradlet.optimizers.linear_ops import WEIGHTED, WeightAxes, bias_of, only_user, weight_parts

# Operand of an op that may follow a linear op -> what it is to the layer.
_SHIFTS = {"bias_add": 1, "batch_norm": 2, "batch_norm_train": 2}
_SCALES = {"batch_norm": 1, "batch_norm_train": 1}


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution or a dense layer.

    Attributes:
        parts: The states that its weight consists of, in their order along the input channels.
        biases: What is added to each channel: the bias, and beta of a batch norm that follows.
        scales: Gamma of a batch norm that follows.
    """

    node: Node
    parts: tuple[State, ...]
    biases: tuple[State, ...]
    scales: tuple[State, ...]

    @property
    def weight(self) -> State:
        """Its weight, which is in one part until split_weights has run."""
        assert len(self.parts) == 1, f"the weight of `{self.node}` has {len(self.parts)} parts"
        return self.parts[0]

    @property
    def name(self) -> str:
        return self.node.loc or self.parts[0].name

    @property
    def axes(self) -> WeightAxes:
        return WEIGHTED[self.node.op]


def find_layers(graph: Graph) -> tuple[list[Layer], Layer | None]:
    """The layers from the input on, and the head: the last one that the predictions come from directly."""
    parameters = {s.value: s for s in graph.states if s.role is Role.PARAMETER}
    found: dict[Value, Layer] = {}
    for node in graph.nodes:
        if node.op in WEIGHTED and node.phase is Phase.FORWARD and parameters.keys() >= set(weight_parts(node)):
            found.setdefault(weight_parts(node)[0], _layer(graph, node, parameters))
    last = _head_node(graph)
    head = found.pop(weight_parts(last)[0], None) if last else None
    return list(found.values()), head


def _layer(graph: Graph, node: Node, parameters: dict[Value, State]) -> Layer:
    biases, scales = [bias_of(node)], []
    follower = only_user(node.outputs[0], graph.outputs)
    while follower and follower.op in _SHIFTS:
        biases.append(follower.inputs[_SHIFTS[follower.op]])
        if follower.op in _SCALES:
            scales.append(follower.inputs[_SCALES[follower.op]])
        follower = only_user(follower.outputs[0], graph.outputs)
    return Layer(
        node,
        tuple(parameters[v] for v in weight_parts(node)),
        tuple(parameters[v] for v in biases if v in parameters),
        tuple(parameters[v] for v in scales if v in parameters),
    )


def _head_node(graph: Graph) -> Node | None:
    """The linear op that the first output is made by, seen through ops that follow it."""
    node = graph.outputs[0].producer if graph.outputs else None
    while node and node.op not in WEIGHTED:
        made = [v.producer for v in node.inputs if v.producer]
        node = made[0] if len(made) == 1 else None
    return node

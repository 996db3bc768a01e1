"""The inference that belongs to a training step: its forward pass, as it is outside of training."""

from __future__ import annotations

from gradlet.ir.graph import Graph, Node, Phase
from gradlet.ir.op_def import Emit, OpSet
from gradlet.optimizers.clone import clone


def inference_graph(step: Graph, ops: OpSet) -> Graph:
    """The nodes of the forward phase that the predictions need, with `OpDef.inference` applied.

    Its states are those of the step, by name. The predictions are the outputs of the step but the loss, which is
    the first; a model that computes its own loss predicts it.
    """
    graph = clone(step)
    graph.name = f"{step.name}_infer"
    graph.outputs[:] = graph.outputs[1:] or graph.outputs
    for node in reversed(list(graph.nodes)):
        if node.phase is not Phase.FORWARD:
            graph.remove(node)
    _keep_needed(graph)  # what the forward does for the backward alone, such as a part of a dropout's mask
    for node in list(graph.nodes):
        _leave_training(graph, node, ops)
    _keep_needed(graph)
    graph.renumber()
    return graph


def _leave_training(graph: Graph, node: Node, ops: OpSet) -> None:
    """Puts what the node means outside of training in its place."""
    rule = ops[node.op].inference
    if rule is None:
        return
    emit = Emit(ops, graph, Phase.FORWARD, node.loc, graph.nodes.index(node))
    for old, new in zip(node.outputs, rule(emit, node), strict=True):
        if new is not None:
            graph.replace_uses(old, new)
        assert not old.users and old not in graph.outputs, f"{old} of `{node}` does not exist in an inference"
    graph.remove(node)


def _keep_needed(graph: Graph) -> None:
    """Removes nodes, states and inputs that the predictions do not need."""
    needed = set(graph.outputs)
    for node in reversed(list(graph.nodes)):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
        else:
            graph.remove(node)
    graph.states[:] = [s for s in graph.states if s.value in needed]
    graph.inputs[:] = [v for v in graph.inputs if v in needed]

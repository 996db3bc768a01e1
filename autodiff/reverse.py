"""Reverse-mode differentiation, at compile time."""

from __future__ import annotations

from collections.abc import Sequence

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Node, Phase, Value
from gradlet.ir.op_def import Emit, OpSet
from gradlet.ir.tensor_type import f32


def differentiate(graph: Graph, ops: OpSet, output: Value, seed: Value, wanted: Sequence[Value]) -> dict[Value, Value]:
    """Appends the backward pass of `output` and returns the gradient of each wanted value that has one.

    Only nodes on a path from a wanted value to the output are differentiated: a frozen layer costs neither
    nodes nor kept activations. A value with several users gets the sum of their gradients. The gradient of a
    quantised value is that with respect to its integers, in floats.

    Args:
        graph: Where the nodes go, at the end of the schedule.
        ops: Rules.
        output: What to differentiate.
        seed: Gradient of `output`, of its type.
        wanted: Inputs, states or intermediate values.

    Raises:
        CompileError: GL201 for an op without a gradient on such a path.
    """
    forward = list(graph.nodes)
    moving = _reached(forward, wanted)
    grads = {output: seed}
    for node in reversed(forward):
        if moving.intersection(node.inputs) and any(v in grads for v in node.outputs):
            _propagate(node, Emit(ops, graph, Phase.BACKWARD, node.loc), moving, grads)
    found = {value: grads[value] for value in wanted if value in grads}
    _prune(graph, len(forward), set(found.values()))
    return found


def _reached(nodes: Sequence[Node], wanted: Sequence[Value]) -> set[Value]:
    """The values that change, differentiably, when a wanted one does."""
    reached = set(wanted)
    for node in nodes:
        if reached.intersection(node.inputs):
            reached.update(v for v in node.outputs if v.type.dtype.is_float or v.type.quant)
    return reached


def _propagate(node: Node, emit: Emit, moving: set[Value], grads: dict[Value, Value]) -> None:
    """Adds what `node` passes on to the gradients of its inputs."""
    rule = emit.ops[node.op].gradient
    if rule is None:
        raise CompileError(
            "GL201",
            f"{node.op} has no gradient, and {_first(node, moving)} is to be trained through it",
            node.loc,
            f"freeze the layers before it, or define the gradient of {node.op} (OpDef.gradient, Plugin.gradients)",
        )
    gradients = rule(emit, node, [grads.get(v) for v in node.outputs])
    for value, gradient in zip(node.inputs, gradients, strict=True):
        if gradient is None or value not in moving:
            continue
        wanted = f32(*value.type.shape) if value.type.quant else value.type
        assert gradient.type == wanted, f"gradient {gradient.type} of {value}: {value.type}, by `{node}`"
        grads[value] = emit("add", grads[value], gradient) if value in grads else gradient


def _first(node: Node, moving: set[Value]) -> Value:
    return next(v for v in node.inputs if v in moving)


def _prune(graph: Graph, start: int, wanted: set[Value]) -> None:
    """Removes the nodes from `start` on that no wanted gradient needs: rules emit the gradients of all inputs."""
    for node in reversed(graph.nodes[start:]):
        if not any(v.users or v in wanted for v in node.outputs):
            graph.remove(node)

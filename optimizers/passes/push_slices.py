"""Moves the slices of a partial update towards the operands, so that only the part that is needed is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from gradlet.ir.graph import Graph, Node, Phase, Value
from gradlet.ir.op_def import Emit
from gradlet.ir.passes import Context
from gradlet.optimizers.passes.save_masks import bounds_of


@dataclass(frozen=True)
class PushSlices:
    """slice(op(a, b)) -> op(slice(a), b), as far as `OpDef.slices` allows.

    A slice of a value of the forward pass is taken there, right after the value is made, if the backward does not
    need the rest; masks (save_masks) count as not needing it.
    """

    name: ClassVar[str] = "push_slices"

    def run(self, graph: Graph, context: Context) -> bool:
        pending = [n for n in graph.nodes if n.op == "slice" and n.phase is Phase.BACKWARD]
        pushed = False
        while pending:
            node = pending.pop()
            made = _pushed(graph, context, node) if node in graph.nodes else None
            if made is not None:
                pushed = True
                pending += made
        if pushed:
            graph.renumber()
        return pushed


def _pushed(graph: Graph, context: Context, cut: Node) -> list[Node] | None:
    """Moves one slice a step; returns the slices that may go on, or None if it cannot move."""
    whole = cut.inputs[0]
    maker = whole.producer
    if maker is None or maker.phase is not Phase.BACKWARD or len(whole.users) > 1 or whole in graph.outputs:
        return None
    axis = cut.attrs["axis"] % len(whole.type.shape)
    operands = context.ops[maker.op].slices(maker).get(axis)
    if operands is None or len(maker.outputs) > 1 or not _can_be_cut(context, maker, operands, cut):
        return None
    emit = Emit(context.ops, graph, Phase.BACKWARD, maker.loc, graph.nodes.index(maker))
    inputs, made = list(maker.inputs), []
    for index, operand_axis in operands:
        part = _slice_of(graph, emit, maker, inputs[index], {**cut.attrs, "axis": operand_axis})
        inputs[index] = part.outputs[0]
        made.append(part)
    smaller = emit(maker.op, *inputs, **maker.attrs)
    graph.replace_uses(cut.outputs[0], smaller)
    graph.remove(cut)
    graph.remove(maker)
    return [n for n in made if n.phase is Phase.BACKWARD]


def _can_be_cut(context: Context, maker: Node, operands: Any, cut: Node) -> bool:
    """Whether the op with smaller operands makes exactly the slice (its attributes may name a shape)."""
    types = [v.type for v in maker.inputs]
    size = cut.outputs[0].type.shape[cut.attrs["axis"] % len(cut.outputs[0].type.shape)]
    for index, axis in operands:
        shape = types[index].shape
        types[index] = types[index].with_shape(*shape[:axis], size, *shape[axis + 1 :])
    try:
        return list(context.ops[maker.op].infer(types, maker.attrs)) == [cut.outputs[0].type]
    except ValueError:
        return False


def _slice_of(graph: Graph, emit: Emit, reader: Node, value: Value, attrs: dict[str, Any]) -> Node:
    """A slice of an operand of `reader`: in the forward if the backward needs no more of the value."""
    later = [n for n in value.users if n.phase is not Phase.FORWARD and n is not reader]
    early = (value.producer is None or value.producer.phase is Phase.FORWARD) and graph.state_of(value) is None
    if not early or value in graph.outputs or not all(bounds_of(n) or n.op == "slice" for n in later):
        return emit.node("slice", value, **attrs)
    same = [n for n in value.users if n.op == "slice" and n.attrs == attrs and n.phase is Phase.FORWARD]
    if same:
        return same[0]
    after = graph.nodes.index(value.producer) + 1 if value.producer else 0
    forward = Emit(emit.ops, graph, Phase.FORWARD, value.producer.loc if value.producer else "", after)
    assert emit.index is not None
    emit.index += 1
    return forward.node("slice", value, **attrs)


PASS = PushSlices

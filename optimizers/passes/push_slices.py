"""Moves the slices of a partial update towards the operands, so that only the part that is needed is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from gradlet.ir.graph import Graph, Node, Phase
from gradlet.ir.op_def import Emit
from gradlet.ir.passes import Context
from gradlet.optimizers.passes.save_masks import bounds_of


@dataclass(frozen=True)
class PushSlices:
    """slice(op(a, b)) -> op(slice(a), b), as far as `OpDef.slices` allows; a slice of a slice is one slice.

    A slice of a value of the forward pass is taken there, right after the value is made, if the backward does not
    need the rest; masks (save_masks) count as not needing it.
    """

    name: ClassVar[str] = "push_slices"

    def run(self, graph: Graph, context: Context) -> bool:
        pending = [n for n in graph.nodes if _is_cut(n)]
        changed = False
        while pending:
            node = pending.pop()
            made = _pushed(graph, context, node) if node in graph.nodes else None
            changed |= made is not None
            pending += made or []
        for node in [n for n in graph.nodes if _is_cut(n)]:
            changed |= _hoisted(graph, context, node)
        if changed:
            graph.renumber()
        return changed


def _is_cut(node: Node) -> bool:
    return node.op == "slice" and node.phase is Phase.BACKWARD


def _pushed(graph: Graph, context: Context, cut: Node) -> list[Node] | None:
    """Moves one slice a step; returns the slices that may go on, or None if it cannot move."""
    whole = cut.inputs[0]
    maker = whole.producer
    if maker and _is_cut(maker) and _is_plain(maker, cut):
        return [_joined(graph, context, maker, cut)]
    if maker is None or maker.phase is not Phase.BACKWARD or len(whole.users) > 1 or whole in graph.outputs:
        return None
    axis = cut.attrs["axis"] % len(whole.type.shape)
    operands = context.ops[maker.op].slices(maker).get(axis)
    if operands is None or len(maker.outputs) > 1 or not _can_be_cut(context, maker, operands, cut):
        return None
    emit = Emit(context.ops, graph, Phase.BACKWARD, maker.loc, graph.nodes.index(maker))
    inputs, made = list(maker.inputs), []
    for index, operand_axis in operands:
        made.append(emit.node("slice", inputs[index], **{**cut.attrs, "axis": operand_axis}))
        inputs[index] = made[-1].outputs[0]
    smaller = emit(maker.op, *inputs, **maker.attrs)
    graph.replace_uses(cut.outputs[0], smaller)
    graph.remove(cut)
    graph.remove(maker)
    return made


def _is_plain(first: Node, second: Node) -> bool:
    """Whether two slices, one of the other, are one."""
    axes = [n.attrs["axis"] % len(n.inputs[0].type.shape) for n in (first, second)]
    return axes[0] == axes[1] and all(n.attrs.get("step", 1) == 1 for n in (first, second))


def _joined(graph: Graph, context: Context, first: Node, second: Node) -> Node:
    """One slice for two, of which the first goes if nothing else reads it."""
    start = first.attrs["begin"]
    place = {"axis": first.attrs["axis"], "begin": start + second.attrs["begin"], "end": start + second.attrs["end"]}
    emit = Emit(context.ops, graph, second.phase, second.loc, graph.nodes.index(second))
    joined = emit.node("slice", first.inputs[0], **place)
    graph.replace_uses(second.outputs[0], joined.outputs[0])
    graph.remove(second)
    if not first.outputs[0].users and first.outputs[0] not in graph.outputs:
        graph.remove(first)
    return joined


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


def _hoisted(graph: Graph, context: Context, cut: Node) -> bool:
    """Takes a slice in the forward, if the backward needs no more of the value than slices and masks of it."""
    (value,), maker = cut.inputs, cut.inputs[0].producer
    late = [n for n in value.users if n.phase is not Phase.FORWARD]
    if (maker and maker.phase is not Phase.FORWARD) or graph.state_of(value) or value in graph.outputs:
        return False
    if not all(bounds_of(n) or n.op == "slice" for n in late):
        return False
    same = [n for n in value.users if n.op == "slice" and n.attrs == cut.attrs and n.phase is Phase.FORWARD]
    after = graph.nodes.index(maker) + 1 if maker else 0
    emit = Emit(context.ops, graph, Phase.FORWARD, maker.loc if maker else "", after)
    part = same[0].outputs[0] if same else emit("slice", value, **cut.attrs)
    graph.replace_uses(cut.outputs[0], part)
    graph.remove(cut)
    return True


PASS = PushSlices

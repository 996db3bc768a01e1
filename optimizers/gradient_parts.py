"""Weight gradients that can be computed part by part, each part used for its update before the next is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradlet.ir.graph import Graph, KernelChoice, Node, Phase, Role, Value
from gradlet.ir.op_def import Emit, OpSet
from gradlet.ir.ops.quantized_sgd import draws
from gradlet.ir.quantized_updates import operands as operands_of
from gradlet.ir.tensor_type import f32
from gradlet.ir.updates import region
from gradlet.optimizers.clone import clone

# Ops that may update a part of what they write, operand 1 being its gradient -> whether they have moments.
_UPDATES = {"sgd": False, "momentum": True, "adam": True, "accumulate": False, "quantized_sgd": False}
# Kernels work on tiles of as many rows.
_TILE = 4
# Of random numbers, one for each element: those of a tile of rows are whole words.
_BYTES_A_WORD = 4


@dataclass(frozen=True)
class Cut:
    """A gradient that only one update reads, and an axis along which both can be divided.

    Attributes:
        gradient: Index of the node that computes it, in the order of the graph when the cut was found.
        update: Index of the node that reads it.
        axis: Of the gradient, and of what is updated.
        length: Of that axis of the gradient.
        operands: Operands of the gradient that are sliced for a part: (index, axis).
        gradient_bytes: Of the whole gradient.
        operand_bytes: Of those operands.
    """

    gradient: int
    update: int
    axis: int
    length: int
    operands: tuple[tuple[int, int], ...]
    gradient_bytes: int
    operand_bytes: int

    def bounds(self, parts: int) -> list[tuple[int, int]]:
        """Where at most as many parts begin and end, in whole tiles."""
        rows = -(-self.length // parts)
        rows = min(self.length, -(-rows // _TILE) * _TILE)
        return [(begin, min(begin + rows, self.length)) for begin in range(0, self.length, rows)]

    def bytes(self, parts: int) -> int:
        """What the largest part needs: itself, and the slices of the operands."""
        begin, end = self.bounds(parts)[0]
        if end - begin == self.length:
            return self.gradient_bytes
        return (self.gradient_bytes + self.operand_bytes) * (end - begin) // self.length


def find_cuts(graph: Graph, ops: OpSet) -> list[Cut]:
    """For every gradient that has one, the cut that slices the smallest operands."""
    states, position = {s.value for s in graph.states}, {node: i for i, node in enumerate(graph.nodes)}
    cuts: list[Cut] = []
    for update in graph.nodes:
        if update.op not in _UPDATES or not _is_whole(update, states):
            continue
        gradient = update.inputs[1]
        maker = gradient.producer
        if maker is None or gradient in graph.outputs or len(gradient.users) > 1 or len(maker.outputs) > 1:
            continue
        cuts += sorted(_cuts(maker, update, ops, position), key=lambda cut: (cut.operand_bytes, cut.axis))[:1]
    return cuts


def _is_whole(update: Node, states: set[Value]) -> bool:
    """Whether this is the only update of what it writes."""
    again = any(v.overwrites is update.outputs[0] for n in update.outputs[0].users for v in n.outputs)
    return update.inputs[0] in states and not again


def _cuts(maker: Node, update: Node, ops: OpSet, position: Mapping[Node, int]) -> Iterator[Cut]:
    part, shape = region(update.attrs), maker.outputs[0].type.shape
    for axis, operands in ops[maker.op].slices(maker).items():
        allowed = (part is None or part.axis == axis) and (axis == 0 or not _draws(update))
        if allowed and shape[axis] > _TILE and _can_be_cut(maker, ops, axis, operands):
            sliced = sum(maker.inputs[index].type.bytes for index, _ in operands)
            size = maker.outputs[0].type.bytes
            yield Cut(position[maker], position[update], axis, shape[axis], tuple(operands), size, sliced)


def _draws(update: Node) -> bool:
    """Whether the update takes random numbers, in the order of the elements: parts of axis 0 lie one after another."""
    return update.op == "quantized_sgd" and draws(update.inputs[0].type, update.attrs)


def _can_be_cut(maker: Node, ops: OpSet, axis: int, operands: Sequence[tuple[int, int]]) -> bool:
    """Whether the op makes a part of its result from parts of its operands (its attributes may name a shape)."""
    types, whole = [v.type for v in maker.inputs], maker.outputs[0].type
    for index, cut in operands:
        shape = types[index].shape
        types[index] = types[index].with_shape(*shape[:cut], _TILE, *shape[cut + 1 :])
    try:
        made = ops[maker.op].infer(types, maker.attrs)
    except ValueError:
        return False
    return list(made) == [whole.with_shape(*whole.shape[:axis], _TILE, *whole.shape[axis + 1 :])]


def joined(graph: Graph, parts: Mapping[Cut, int], phase: Phase) -> tuple[Graph, dict[Node, int | Cut]]:
    """A copy for planning, with one node for each gradient that is cut and its update.

    The node has the memory of a part as working memory, so that searching a schedule is as fast as for the graph
    itself. Also says what each node stands for: a node of the graph, by its index, or a cut.
    """
    copy = clone(graph)
    nodes = list(copy.nodes)
    meaning: dict[Node, int | Cut] = {node: i for i, node in enumerate(nodes)}
    for cut, count in parts.items():
        maker, update = nodes[cut.gradient], nodes[cut.update]
        inputs = [*maker.inputs, *(v for v in update.inputs if v is not maker.outputs[0])]
        working = sum(n.choice.scratch_bytes for n in (maker, update) if n.choice)
        choice = KernelChoice("", working + cut.bytes(count))
        # Unlike an update it does not allocate nothing: the search is to consider when to run it.
        both = Node(update.op, inputs, update.outputs, update.attrs, phase, update.loc, choice)
        index = copy.nodes.index(update)
        copy.remove(update)
        copy.insert(index, both)
        copy.remove(maker)
        meaning[both] = cut
    return copy, meaning


def divide(graph: Graph, ops: OpSet, order: Sequence[int | Cut], parts: Mapping[Cut, int]) -> None:
    """Puts the nodes in this order, where a cut stands for its gradient and update in as many parts."""
    nodes, ordered = list(graph.nodes), list[Node]()
    for item in order:
        if isinstance(item, int):
            ordered.append(nodes[item])
        elif parts[item] == 1:
            ordered += [nodes[item.gradient], nodes[item.update]]
        else:
            ordered += _divided(graph, ops, item, nodes[item.gradient], nodes[item.update], parts[item])
    graph.nodes[:] = ordered
    graph.renumber()


def _divided(graph: Graph, ops: OpSet, cut: Cut, maker: Node, update: Node, count: int) -> list[Node]:
    index = graph.nodes.index(update)
    compute, change = (Emit(ops, graph, n.phase, n.loc, index) for n in (maker, update))
    trained = region(update.attrs)
    start, made = trained.begin if trained else 0, list[Node]()
    moments = {"moments_begin": start} if _UPDATES[update.op] else {}
    written = list(update.inputs)
    for number, (begin, end) in enumerate(cut.bounds(count), 1):
        operands = list(maker.inputs)
        for operand, axis in cut.operands:
            made.append(compute.node("slice", operands[operand], axis=axis, begin=begin, end=end))
            operands[operand] = made[-1].outputs[0]
        made.append(compute.node(maker.op, *operands, **maker.attrs))
        written[1] = made[-1].outputs[0]
        place = {"axis": cut.axis, "begin": start + begin, "end": start + end}
        if _draws(update):
            skipped = begin * (update.inputs[1].type.size // cut.length)
            place["first_word"] = update.attrs.get("first_word", 0) + skipped // _BYTES_A_WORD
        used = _with_part_of_factor(graph, update, written, cut, slice(begin, end))
        made.append(change.node(update.op, *used, **{**update.attrs, **place, **moments}))
        for output, operand in ops[update.op].writes.items():
            written[operand] = made[-1].outputs[output]
            written[operand].name = f"{update.outputs[output].name}{number}"
    for output, value in enumerate(made[-1].outputs):
        value.name = update.outputs[output].name
        graph.replace_uses(update.outputs[output], value)
    graph.remove(update)
    graph.remove(maker)
    graph.states[:] = [
        s for s in graph.states if s.role is not Role.BUFFER or s.value.users or s.value in graph.outputs
    ]
    return made


def _with_part_of_factor(graph: Graph, update: Node, written: list[Value], cut: Cut, part: slice) -> list[Value]:
    """The operands of an update, with as many factors as channels it changes."""
    if update.op != "quantized_sgd" or update.attrs["channel_axis"] != cut.axis:
        return written
    index = update.inputs.index(operands_of(update.inputs[1:], lambda v: v.type.dtype.is_float).factor)
    state = graph.state_of(written[index])
    assert state is not None, f"the factors of `{update}` are no constant"
    content = np.ascontiguousarray(state.init[part])
    name = graph.free_name(f"{state.name}_{part.start}")
    return [*written[:index], graph.add_state(name, content, f32(*content.shape), state.role), *written[index + 1 :]]

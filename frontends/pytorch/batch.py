"""Gives an exported program, which has static shapes, another batch size."""

from __future__ import annotations

from collections.abc import Sequence

from torch.export import ExportedProgram
from torch.fx import Node

from gradlet.frontends.pytorch.tensor import Shape
from gradlet.ir.errors import CompileError

# Operators that carry the shape of their result, and which argument it is.
_SIZED = {
    "aten.view.default": 1,
    "aten.reshape.default": 1,
    "aten._unsafe_view.default": 1,
    "aten.expand.default": 1,
    "aten.new_full.default": 1,
    "aten.new_ones.default": 1,
    "aten.new_zeros.default": 1,
    "aten.full.default": 0,
    "aten.ones.default": 0,
    "aten.zeros.default": 0,
}


def input_shapes(inputs: Sequence[Node], batch: int | None) -> dict[Node, Shape]:
    """Shapes of the inputs with the batch size asked for; None: as they were exported."""
    old = captured_batch(inputs)
    return {node: tuple(_size(node, axis, old, batch) for axis in range(len(_shape(node)))) for node in inputs}


def captured_batch(inputs: Sequence[Node]) -> int | None:
    """The size of the first axis that the program was exported with; None if it was left open."""
    first = next((size for node in inputs for size in _shape(node)[:1]), None)
    return first if isinstance(first, int) else None


def rebatch(exported: ExportedProgram, old: int, new: int) -> None:
    """Changes the sizes that tracing has written into the graph."""
    for node in exported.graph.nodes:
        position = _SIZED.get(str(node.target))
        if position is None or not (size := node.args[position]) or size[0] != old:
            continue
        if position == 0 or _shape(node.args[0])[:1] == (old,) or len(_shape(node.args[0])) < len(size):
            node.update_arg(position, [new, *size[1:]])


def _size(node: Node, axis: int, old: int | None, batch: int | None) -> int:
    size = _shape(node)[axis]
    if isinstance(size, int):
        return batch if batch is not None and axis == 0 and size == old else size
    if axis == 0 and batch is not None:
        return batch
    hint = "give the batch size" if axis == 0 else "export the module with a fixed size"
    raise CompileError("GL107", f"axis {axis} of input {node.name} has no fixed size ({size})", hint=hint)


def _shape(node: Node) -> tuple:
    return tuple(getattr(node.meta.get("val"), "shape", ()))

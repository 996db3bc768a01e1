"""What takes tensors apart, and puts them together."""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType

from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.converters.shape import reshaped
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.ir.graph import Value


def concatenation(b: Builder, op: Operator) -> Value:
    """Operands of one scale: TensorFlow rejects others, and activations as well."""
    table, parts = "ConcatenationOptions", [b.x(op, k) for k in range(len(op.inputs))]
    if b.option(op, table, "fused_activation_function"):
        raise inconsistent(f"{op.name} has an activation", b.emit.loc)
    return b("concat", *parts, axis=b.option(op, table, "axis"))


def pack(b: Builder, op: Operator) -> Value:
    shape, parts = b.x(op).type.shape, [b.x(op, k) for k in range(len(op.inputs))]
    axis = _axis(b, op, b.option(op, "PackOptions", "axis"), len(shape) + 1)
    rows = [b("reshape", x, shape=(*shape[:axis], 1, *shape[axis:])) for x in parts]
    return b("concat", *rows, axis=axis)


def unpack(b: Builder, op: Operator) -> list[Value]:
    x = b.x(op)
    shape = x.type.shape
    axis = _axis(b, op, b.option(op, "UnpackOptions", "axis"), len(shape))
    parts = _parts(b, op, x, axis, [1] * shape[axis])
    return [b("reshape", part, shape=(*shape[:axis], *shape[axis + 1 :])) for part in parts]


def split(b: Builder, op: Operator) -> list[Value]:
    x, count = b.x(op, 1), len(op.outputs)
    axis = _axis(b, op, _number(b, op, 0), len(x.type.shape))
    return _parts(b, op, x, axis, [x.type.shape[axis] // count] * count)


def split_v(b: Builder, op: Operator) -> list[Value]:
    """A size of -1 is what the others leave."""
    x, sizes = b.x(op), b.integers(op, 1).ravel().tolist()
    axis = _axis(b, op, _number(b, op, 2), len(x.type.shape))
    left = x.type.shape[axis] - sum(size for size in sizes if size != -1)
    return _parts(b, op, x, axis, [left if size == -1 else size for size in sizes])


def _parts(b: Builder, op: Operator, x: Value, axis: int, sizes: Sequence[int]) -> list[Value]:
    if len(sizes) != len(op.outputs) or sum(sizes) != x.type.shape[axis] or min(sizes, default=0) < 1:
        what = f"{len(op.outputs)} parts of sizes {list(sizes[:8])} of axis {axis} of {x.type}"
        raise inconsistent(what, b.emit.loc)
    return b.emit.node("split", x, axis=axis, sizes=tuple(sizes)).outputs


def slice_(b: Builder, op: Operator) -> Value:
    """A size of -1 is all that follows."""
    x, shape = b.x(op), b.operand(op, 0).shape
    begins, sizes = (b.integers(op, k).ravel().tolist() for k in (1, 2))
    if not len(begins) == len(sizes) == len(shape) == len(x.type.shape):
        raise inconsistent(f"a part of {len(begins)} axes of {x.type}", b.emit.loc)
    for axis, (begin, size, whole) in enumerate(zip(begins, sizes, shape, strict=True)):
        end = whole if size == -1 else begin + size
        if not 0 <= begin < end <= whole:
            raise inconsistent(f"indices {begin} to {end} of axis {axis} of {x.type}", b.emit.loc)
        x = _part(b, x, axis, range(begin, end), whole)
    return x


def strided_slice(b: Builder, op: Operator) -> Value:
    """As numpy indexes; each mask has a bit for each entry of the index, the first lowest."""
    begins, ends, strides = (b.integers(op, k).ravel().tolist() for k in (1, 2, 3))
    masks = [b.option(op, _STRIDED, f"{name}_mask") for name in ("ellipsis", "new_axis", "shrink_axis", "begin", "end")]
    if not len(begins) == len(ends) == len(strides) or 0 in strides:
        raise inconsistent(f"a part from {begins} to {ends} by {strides}", b.emit.loc)
    index: list[_Entry] = []
    for k, (begin, end, stride) in enumerate(zip(begins, ends, strides, strict=True)):
        is_ellipsis, is_new, is_number, no_begin, no_end = (mask >> k & 1 for mask in masks)
        end += begin if b.option(op, _STRIDED, "offset") else 0
        if is_ellipsis or is_new:
            index.append(Ellipsis if is_ellipsis else None)
        elif is_number:
            index.append(0 if no_begin else begin)
        else:
            index.append(slice(None if no_begin else begin, None if no_end else end, stride))
    return _indexed(b, op, index)


_Entry = slice | int | EllipsisType | None
_STRIDED = "StridedSliceOptions"


def _indexed(b: Builder, op: Operator, index: Sequence[_Entry]) -> Value:
    """x[index] of operand 0."""
    x, whole = b.x(op), b.operand(op, 0).shape
    rest = len(whole) - sum(isinstance(entry, (int, slice)) for entry in index)
    if rest < 0 or index.count(Ellipsis) > 1 or len(whole) != len(x.type.shape):
        raise inconsistent(f"a part by {len(index)} slices of {x.type}", b.emit.loc)
    shape: list[int] = []
    axis = 0
    for entry in index:
        if entry is Ellipsis:
            shape += x.type.shape[axis : axis + rest]
            axis += rest
        elif entry is None:
            shape.append(1)
        else:
            x = _part(b, x, axis, _taken(b, entry, whole[axis]), whole[axis])
            shape += x.type.shape[axis : axis + 1] if isinstance(entry, slice) else ()
            axis += 1
    return reshaped(b, x, (*shape, *x.type.shape[axis:]))


def _taken(b: Builder, entry: slice | int, size: int) -> range:
    """The indices that an entry takes of an axis."""
    if isinstance(entry, slice):
        taken = range(size)[entry]
    else:
        taken = range(size)[entry % size : entry % size + 1] if -size <= entry < size else range(0)
    if not taken:
        raise inconsistent(f"a part without elements of an axis of {size}", b.emit.loc)
    return taken


def _part(b: Builder, x: Value, axis: int, taken: range, whole: int) -> Value:
    """These indices of an axis; all of an axis that has another size in the file, as the batch may, stay all."""
    if taken == range(whole):
        return x
    if taken.step < 0:
        x = b("flip", x, axis=(axis,))
        if taken == range(whole)[::-1]:
            return x
        taken = range(whole - 1 - taken[0], whole - taken[-1], -taken.step)
    return b("slice", x, axis=axis, begin=taken[0], end=taken[-1] + 1, step=taken.step)


def _axis(b: Builder, op: Operator, axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise inconsistent(f"{op.name} along axis {axis} of {rank}", b.emit.loc)
    return axis % rank


def _number(b: Builder, op: Operator, index: int) -> int:
    found = b.integers(op, index)
    if found.size != 1:
        raise inconsistent(f"operand {index} of {op.name} has {found.size} numbers", b.emit.loc)
    return int(found.ravel()[0])


CONVERTERS = {
    "CONCATENATION": concatenation,
    "PACK": pack,
    "UNPACK": unpack,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "SLICE": slice_,
    "STRIDED_SLICE": strided_slice,
}

"""What changes the size of images: padding, resizing, and blocks of pixels that become channels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.ir.graph import Value
from gradlet.ir.tensor_type import i32

Converter = Callable[[Builder, Operator], Value]

_MOST_ADDED, _MOST_ELEMENTS = 2**16, 2**28
# By their number in MirrorPadOptions: what numpy calls them, and how much less than an axis they can add.
_MIRRORS = (("reflect", 1), ("symmetric", 0))


def pad(b: Builder, op: Operator) -> Value:
    """With zeros: in int8 with the zero point."""
    x = b.x(op)
    return padded(b, x, _amounts(b, op, x), zero(b, op))


def zero(b: Builder, op: Operator) -> float:
    """What stands for nothing in the result."""
    return float(b.scale(b.y(op))[1]) if b.is_int8(op) else 0.0


def pad_v2(b: Builder, op: Operator) -> Value:
    """With a constant, which in int8 has the scale of the result."""
    x, number = b.x(op), b.constant(op, 2)
    if number.size != 1 or b.operand(op, 2).dtype is not b.operand(op, 0).dtype:
        raise inconsistent(f"{op.name} with {number.size} numbers of type {number.dtype}", b.emit.loc)
    stored = float(number.ravel()[0]) - (128 if number.dtype == np.uint8 else 0)
    return padded(b, x, _amounts(b, op, x), stored)


def padded(b: Builder, x: Value, amounts: Sequence[Sequence[int]], value: float) -> Value:
    """With (before, after) of each axis; the operand itself where nothing is added."""
    if not any(map(any, amounts)):
        return x
    before, after = zip(*amounts, strict=True)
    return b("pad", x, before=tuple(before), after=tuple(after), value=value)


def unpadded(b: Builder, x: Value, nothing: float) -> tuple[Value, tuple[int, ...]]:
    """An image without the rows and columns of `nothing` around it, and how many: (top, left, bottom, right).

    Signals may have been padded before they became images of height 1.
    """
    node, pad = x.producer, x.producer
    if node and node.op == "reshape" and x.type.shape[1] == 1:
        n, _, *rest = x.type.shape
        pad = node.inputs[0].producer if node.inputs[0].type.shape == (n, *rest) else None
    if pad is None or pad.op != "pad" or pad.attrs["value"] != nothing:
        return x, (0, 0, 0, 0)
    before, after = pad.attrs["before"], pad.attrs["after"]
    if any((before[0], before[-1], after[0], after[-1])):
        return x, (0, 0, 0, 0)
    source = pad.inputs[0]
    if pad is node:
        return source, (*before[1:3], *after[1:3])
    n, length, channels = source.type.shape
    return b("reshape", source, shape=(n, 1, length, channels)), (0, before[1], 0, after[1])


def _amounts(b: Builder, op: Operator, x: Value) -> list[list[int]]:
    """(before, after) of each axis."""
    amounts = b.integers(op, 1)
    if amounts.shape != (len(x.type.shape), 2) or (amounts < 0).any() or (amounts > _MOST_ADDED).any():
        raise inconsistent(f"padding {amounts.tolist()} of {x.type}", b.emit.loc)
    check_size(b, op, [n + sum(added) for n, added in zip(x.type.shape, amounts.tolist(), strict=True)])
    found: list[list[int]] = amounts.tolist()
    return found


def check_size(b: Builder, op: Operator, shape: Sequence[int]) -> None:
    """Raises GL118 for more elements than the file makes room for."""
    if math.prod(shape) > (_MOST_ELEMENTS if b.y(op).open_axes else math.prod(b.shape(b.y(op)))):
        raise inconsistent(f"{op.name} makes {list(shape)}: {math.prod(shape):,} elements", b.emit.loc)


def mirror_pad(b: Builder, op: Operator) -> Value:
    x, number = b.x(op), b.option(op, "MirrorPadOptions", "mode")
    if not 0 <= number < len(_MIRRORS):
        raise inconsistent(f"{op.name} has mode {number}", b.emit.loc)
    mode, less = _MIRRORS[number]
    for axis, amounts in enumerate(_amounts(b, op, x)):
        size = x.type.shape[axis]
        if max(amounts) > size - less:
            raise inconsistent(f"{op.name} adds {amounts} to axis {axis} of {x.type}", b.emit.loc)
        if any(amounts):
            indices = np.pad(np.arange(size), amounts, mode=mode)  # type: ignore[call-overload]
            x = b("gather", x, b.buffer("indices", indices, i32(indices.size)), axis=axis)
    return x


def size_of(b: Builder, op: Operator, index: int) -> tuple[int, int]:
    """(height, width) of the images that an operator makes: the last two numbers, or those before the last of four.

    Args:
        index: Of the operand that says so; where it is computed while the model runs, the file does.
    """
    told = b.integers(op, index).ravel().tolist() if b.is_constant(op, index) else list(b.y(op).shape[1:3])
    sizes = told[1:3] if len(told) == 4 else told
    if len(sizes) != 2 or not all(1 <= n <= _MOST_ADDED for n in sizes):
        raise inconsistent(f"{op.name} to a size of {told[:8]}", b.emit.loc)
    return sizes[0], sizes[1]


def resize(mode: str, table: str) -> Converter:
    def convert(b: Builder, op: Operator) -> Value:
        x, size = b.x(op), size_of(b, op, 1)
        n, _, _, c = _image(b, op, x)
        check_size(b, op, (n, *size, c))
        corners, centers = (b.option(op, table, name) for name in ("align_corners", "half_pixel_centers"))
        return b("resize", x, size=size, mode=mode, align_corners=corners, half_pixel_centers=centers)

    return convert


def space_to_depth(b: Builder, op: Operator) -> Value:
    """Blocks of pixels become channels, in the order of their rows."""
    x, block = b.x(op), _block_size(b, op, "SpaceToDepthOptions")
    n, h, w, c = _image(b, op, x)
    if h % block or w % block:
        raise inconsistent(f"{x.type} has no whole blocks of {block} by {block} pixels", b.emit.loc)
    blocks = b("reshape", x, shape=(n, h // block, block, w // block, block, c))
    moved = b("transpose", blocks, axes=(0, 1, 3, 2, 4, 5))
    return b("reshape", moved, shape=(n, h // block, w // block, block * block * c))


def depth_to_space(b: Builder, op: Operator) -> Value:
    x, block = b.x(op), _block_size(b, op, "DepthToSpaceOptions")
    n, h, w, c = _image(b, op, x)
    if c % (block * block):
        raise inconsistent(f"{x.type} has no channels for blocks of {block} by {block} pixels", b.emit.loc)
    channels = c // (block * block)
    blocks = b("reshape", x, shape=(n, h, w, block, block, channels))
    moved = b("transpose", blocks, axes=(0, 1, 3, 2, 4, 5))
    return b("reshape", moved, shape=(n, h * block, w * block, channels))


def _image(b: Builder, op: Operator, x: Value) -> tuple[int, ...]:
    if len(x.type.shape) != 4:
        raise inconsistent(f"{op.name} reads {x.type}, which is no image", b.emit.loc)
    return x.type.shape


def _block_size(b: Builder, op: Operator, table: str) -> int:
    size = b.option(op, table, "block_size")
    if not 1 <= size <= _MOST_ADDED:
        raise inconsistent(f"{op.name} has blocks of {size}", b.emit.loc)
    return int(size)


CONVERTERS = {
    "PAD": pad,
    "PADV2": pad_v2,
    "MIRROR_PAD": mirror_pad,
    "RESIZE_BILINEAR": resize("bilinear", "ResizeBilinearOptions"),
    "RESIZE_NEAREST_NEIGHBOR": resize("nearest", "ResizeNearestNeighborOptions"),
    "SPACE_TO_DEPTH": space_to_depth,
    "DEPTH_TO_SPACE": depth_to_space,
}

"""Pixels some steps apart as images of their own, which is how TensorFlow dilates convolutions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.converters.spatial import check_size, padded, unpadded, zero
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.ir.graph import Node, Value

_CONVOLUTIONS = ("conv2d", "depthwise_conv2d", "qconv2d", "qdepthwise_conv2d")
# What may stand between a convolution and BATCH_TO_SPACE_ND: it treats all pixels alike.
_POINTWISE = ("bias_add", "clip", "relu", "tanh")
_MOST = 2**16
_SPLIT, _JOINED = (2, 4, 0, 1, 3, 5), (2, 3, 0, 4, 1, 5)


def space_to_batch(b: Builder, op: Operator) -> Value:
    """The images of a batch become the pixels of each place in a block: first all first ones, ..."""
    x, (block, amounts) = _planes(b, op)
    around = [[0, 0], *amounts, [0, 0]]
    check_size(b, op, [size + sum(added) for size, added in zip(x.type.shape, around, strict=True)])
    x = padded(b, x, around, zero(b, op))
    n, h, w, c = x.type.shape
    if h % block[0] or w % block[1]:
        raise inconsistent(f"{x.type} has no whole blocks of {block} pixels", b.emit.loc)
    blocks = b("reshape", x, shape=(n, h // block[0], block[0], w // block[1], block[1], c))
    moved = b("transpose", blocks, axes=_SPLIT)
    y = b("reshape", moved, shape=(n * math.prod(block), h // block[0], w // block[1], c))
    return _of_rank(b, y, len(b.operand(op, 0).shape))


def batch_to_space(b: Builder, op: Operator) -> Value:
    x, (block, crops) = _planes(b, op)
    y = _dilated(b, x, block, crops) or _joined(b, op, x, block, crops)
    return _of_rank(b, y, len(b.operand(op, 0).shape))


def _joined(b: Builder, op: Operator, x: Value, block: list[int], crops: list[list[int]]) -> Value:
    n, h, w, c = x.type.shape
    images = n // math.prod(block)
    if n % math.prod(block):
        raise inconsistent(f"{x.type} has no images for blocks of {block} pixels", b.emit.loc)
    moved = b("transpose", b("reshape", x, shape=(*block, images, h, w, c)), axes=_JOINED)
    y = b("reshape", moved, shape=(images, h * block[0], w * block[1], c))
    for axis, (before, after) in enumerate(crops, 1):
        whole = y.type.shape[axis]
        if before + after >= whole:
            raise inconsistent(f"{op.name} cuts {before} and {after} off {y.type}", b.emit.loc)
        if before or after:
            y = b("slice", y, axis=axis, begin=before, end=whole - after)
    return y


def _planes(b: Builder, op: Operator) -> tuple[Value, tuple[list[int], list[list[int]]]]:
    """Images, (height and width of a block, what is added or cut off before and after both); a signal has height 1."""
    x, block, amounts = b.x(op), b.integers(op, 1), b.integers(op, 2)
    rank = len(x.type.shape)
    fits = rank in (3, 4) and block.shape == (rank - 2,) and amounts.shape == (rank - 2, 2)
    if not fits or (block < 1).any() or (block > _MOST).any() or (amounts < 0).any() or (amounts > _MOST).any():
        what = f"blocks of {block.ravel()[:8].tolist()} and {amounts.ravel()[:8].tolist()}"
        raise inconsistent(f"{op.name} of {x.type} with {what}", b.emit.loc)
    if rank == 4:
        return x, (block.tolist(), amounts.tolist())
    n, length, c = x.type.shape
    return b("reshape", x, shape=(n, 1, length, c)), ([1, *block.tolist()], [[0, 0], *amounts.tolist()])


def _of_rank(b: Builder, y: Value, rank: int) -> Value:
    n, _, w, c = y.type.shape
    return y if rank == 4 else b("reshape", y, shape=(n, w, c))


# --- SPACE_TO_BATCH_ND, a convolution and BATCH_TO_SPACE_ND are one convolution.


def _dilated(b: Builder, y: Value, block: list[int], crops: list[list[int]]) -> Value | None:
    """The convolution whose taps are `block` pixels apart, if `y` is made by one of the pixels of such blocks."""
    behind: list[Node] = []
    node = _image(y).producer
    while node and node.op in _POINTWISE:
        behind.append(node)
        node = _image(node.inputs[0]).producer
    if node is None or node.op not in _CONVOLUTIONS or node.attrs["strides"] != (1, 1):
        return None
    x = _taken_apart(_image(node.inputs[0]), block)
    if x is None:
        return None
    pixels, padding = unpadded(b, x, node.attrs.get("x_zero", 0))
    crop = [crops[0][0], crops[1][0], crops[0][1], crops[1][1]]
    around = zip(padding, node.attrs["padding"], [*block, *block], crop, strict=True)
    attrs: dict[str, Any] = {
        "padding": tuple(added + own * step - less for added, own, step, less in around),
        "dilation": tuple(d * step for d, step in zip(node.attrs.get("dilation", (1, 1)), block, strict=True)),
    }
    if min(attrs["padding"]) < 0:
        return None
    result = replace(b.emit, loc=node.loc)(node.op, pixels, *node.inputs[1:], **{**node.attrs, **attrs})
    for pointwise in reversed(behind):
        emit = replace(b.emit, loc=pointwise.loc)
        result = emit(pointwise.op, result, *pointwise.inputs[1:], **pointwise.attrs)
    return result


def _image(value: Value) -> Value:
    """The same before reshapes that make a signal an image of height 1, or the other way round."""
    while (node := value.producer) and node.op == "reshape":
        signal, image = sorted((node.inputs[0].type.shape, value.type.shape), key=len)
        if len(signal) != 3 or image != (signal[0], 1, *signal[1:]):
            break
        value = node.inputs[0]
    return value


def _taken_apart(value: Value, block: list[int]) -> Value | None:
    """What `space_to_batch` made `value` of, with these blocks."""
    chain = [value]
    for op in ("reshape", "transpose", "reshape"):
        node = chain[-1].producer
        if node is None or node.op != op:
            return None
        chain.append(node.inputs[0])
    _, moved, blocks, x = chain
    order = moved.producer.attrs["axes"] if moved.producer else ()
    shape = blocks.type.shape
    return x if order == _SPLIT and [shape[2], shape[4]] == block else None


CONVERTERS = {"SPACE_TO_BATCH_ND": space_to_batch, "BATCH_TO_SPACE_ND": batch_to_space}

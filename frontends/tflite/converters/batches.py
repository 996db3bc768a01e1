"""Pixels some steps apart as images of their own, which is how TensorFlow dilates convolutions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from gradlet.frontends.tflite.builder import Builder
from gradlet.frontends.tflite.converters.spatial import padded, unpadded, zero
from gradlet.frontends.tflite.model import Operator, inconsistent
from gradlet.ir.graph import Node, Value

_CONVOLUTIONS = ("conv2d", "depthwise_conv2d", "qconv2d", "qdepthwise_conv2d")
# What may stand between a convolution and BATCH_TO_SPACE_ND: it treats all pixels alike.
_POINTWISE = ("bias_add", "clip", "relu", "tanh")
_MOST = 2**16


def space_to_batch(b: Builder, op: Operator) -> Value:
    """The images of a batch become the pixels of each place in a block: first all first ones, ..."""
    x, (block, amounts) = b.x(op), _options(b, op)
    x = padded(b, op, x, [[0, 0], *amounts, [0, 0]], zero(b, op))
    n, *size, channels = x.type.shape
    if any(s % k for s, k in zip(size, block, strict=True)):
        raise inconsistent(f"{x.type} has no whole blocks of {block} pixels", b.emit.loc)
    split = [part for s, k in zip(size, block, strict=True) for part in (s // k, k)]
    blocks = b("reshape", x, shape=(n, *split, channels))
    axes = range(len(size))
    moved = b("transpose", blocks, axes=(*(2 * a + 2 for a in axes), 0, *(2 * a + 1 for a in axes), 2 * len(size) + 1))
    return b("reshape", moved, shape=(n * math.prod(block), *split[::2], channels))


def batch_to_space(b: Builder, op: Operator) -> Value:
    x, (block, crops) = b.x(op), _options(b, op)
    dilated = _dilated(b, x, block, crops)
    if dilated is not None:
        return dilated
    n, *size, channels = x.type.shape
    if n % math.prod(block):
        raise inconsistent(f"{x.type} has no images for blocks of {block} pixels", b.emit.loc)
    images, axes = n // math.prod(block), range(len(size))
    blocks = b("reshape", x, shape=(*block, images, *size, channels))
    pairs = (axis for a in axes for axis in (len(size) + 1 + a, a))
    moved = b("transpose", blocks, axes=(len(size), *pairs, 2 * len(size) + 1))
    y = b("reshape", moved, shape=(images, *(s * k for s, k in zip(size, block, strict=True)), channels))
    for axis, (before, after) in enumerate(crops, 1):
        whole = y.type.shape[axis]
        if before + after >= whole:
            raise inconsistent(f"{op.name} cuts {before} and {after} off {y.type}", b.emit.loc)
        if before or after:
            y = b("slice", y, axis=axis, begin=before, end=whole - after)
    return y


def _options(b: Builder, op: Operator) -> tuple[list[int], list[list[int]]]:
    """Sizes of a block, and what is added or cut off before and after each axis."""
    block, amounts, rank = b.integers(op, 1), b.integers(op, 2), len(b.operand(op, 0).shape)
    fits = block.shape == (rank - 2,) and amounts.shape == (rank - 2, 2) and rank > 2
    if not fits or (block < 1).any() or (block > _MOST).any() or (amounts < 0).any() or (amounts > _MOST).any():
        what = f"{op.name} with blocks of {block.ravel()[:8].tolist()} and {amounts.ravel()[:8].tolist()}"
        raise inconsistent(what, b.emit.loc)
    return block.tolist(), amounts.tolist()


# --- SPACE_TO_BATCH_ND, a convolution and BATCH_TO_SPACE_ND are one convolution.


def _dilated(b: Builder, y: Value, block: list[int], crops: list[list[int]]) -> Value | None:
    """The convolution whose taps are `block` pixels apart, if `y` is one of the pixels of such blocks."""
    behind: list[Node] = []
    node = y.producer
    while node and node.op in _POINTWISE:
        behind.append(node)
        node = node.inputs[0].producer
    if node is None or node.op not in _CONVOLUTIONS or node.attrs["strides"] != (1, 1):
        return None
    x = _taken_apart(node.inputs[0], block)
    if x is None:
        return None
    pixels, padding = unpadded(x, node.attrs.get("x_zero", 0))
    crop = [crops[0][0], crops[1][0], crops[0][1], crops[1][1]]
    steps = [*block, *block]
    attrs: dict[str, Any] = {
        "padding": tuple(
            more + own * k - less
            for more, own, k, less in zip(padding, node.attrs["padding"], steps, crop, strict=True)
        ),
        "dilation": tuple(d * k for d, k in zip(node.attrs.get("dilation", (1, 1)), block, strict=True)),
    }
    if min(attrs["padding"]) < 0:
        return None
    result = replace(b.emit, loc=node.loc)(node.op, pixels, *node.inputs[1:], **{**node.attrs, **attrs})
    for pointwise in reversed(behind):
        emit = replace(b.emit, loc=pointwise.loc)
        result = emit(pointwise.op, result, *pointwise.inputs[1:], **pointwise.attrs)
    return result


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
    return x if order == (2, 4, 0, 1, 3, 5) and [shape[2], shape[4]] == block else None


CONVERTERS = {"SPACE_TO_BATCH_ND": space_to_batch, "BATCH_TO_SPACE_ND": batch_to_space}

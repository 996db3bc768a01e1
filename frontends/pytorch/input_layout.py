"""Chooses the layout of the program's inputs: that in which the first node over an image wants it."""

from __future__ import annotations

from collections import deque

from torch.fx import Node

from gradlet.frontends.pytorch.tensor import channels_last, natural

# Operators of tensors whose second axis is the channels.
_OVER_CHANNELS = {
    "_native_batch_norm_legit_functional",
    "_native_batch_norm_legit_no_training",
    "_upsample_nearest_exact2d",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "max_pool1d",
    "max_pool2d",
    "max_pool2d_with_indices",
    "pixel_shuffle",
    "pixel_unshuffle",
    "upsample_bilinear2d",
    "upsample_nearest2d",
}
_RESHAPING = {"bmm", "matmul", "reshape", "view"}


def input_order(placeholder: Node) -> tuple[int, ...]:
    """Axes of an input in the order the IR keeps them."""
    rank = _rank(placeholder)
    # A tensor that is the input, but for elementwise nodes, and where its axes were in the input.
    waiting, seen = deque([(placeholder, natural(rank))]), {placeholder}
    while waiting:
        node, axes = waiting.popleft()
        for user in node.users:
            if _op(user) in _OVER_CHANNELS and user.args[0] is node:
                return tuple(axes[axis] for axis in channels_last(rank))
            if user not in seen and _rank(user) == rank and _op(user) not in _RESHAPING:
                seen.add(user)
                waiting.append((user, _permuted(user, axes)))
    return natural(rank)


def _permuted(node: Node, axes: tuple[int, ...]) -> tuple[int, ...]:
    if _op(node) == "permute":
        return tuple(axes[dim] for dim in node.args[1])
    if _op(node) == "transpose":
        swapped = list(axes)
        a, b = node.args[1:]
        swapped[a], swapped[b] = swapped[b], swapped[a]
        return tuple(swapped)
    return axes


def _op(node: Node) -> str:
    """`conv2d` of `aten.conv2d.default`."""
    return str(node.target).split(".")[1] if str(node.target).startswith("aten.") else ""


def _rank(node: Node) -> int:
    """-1 for what is no tensor."""
    return len(getattr(node.meta.get("val"), "shape", "?" * 99)) if hasattr(node.meta.get("val"), "shape") else -1

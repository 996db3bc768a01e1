"""The gradients of qconv2d, and of qdense, whose rows are the pixels of a pointwise one."""

from __future__ import annotations

from collections.abc import Sequence

from gradlet.backends.tinyengine.gradient_operands import (
    GRADIENTS,
    constants,
    formats,
    operands_of,
    start,
    suffix,
)
from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.window_sizes import window_sizes
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.target import Target
from gradlet.ir.tensor_type import DType

_C = beside(__file__)
_POINT = (1, 1)
_MOST_PARTS = 4


def _is_pointwise(attrs: Attrs, kernel: Sequence[int]) -> bool:
    return "strides" not in attrs or (tuple(kernel) == tuple(attrs["strides"]) == _POINT and not any(attrs["padding"]))


def _sizes(attrs: Attrs, images: Value, results: Value, kernel: Sequence[int]) -> tuple[int, ...]:
    """`read_divided` of the C: the window and the groups."""
    groups = attrs.get("groups", 1)
    if not _is_pointwise(attrs, kernel):
        return *window_sizes(attrs, images.type, results.type, kernel), groups
    # One row of pixels, however they lie in images.
    channels, out = images.type.shape[-1], results.type.shape[-1]
    pixels = images.type.size // channels
    return 1, 1, pixels, channels, 1, pixels, out, 1, 1, 1, 1, 0, 0, 1, 1, groups


def _input_grad(node: Node) -> Call:
    count = node.attrs.get("parts", 1)
    found, (dx, *_) = operands_of(node, count), node.outputs
    weights = [*found.weights, *[None] * (_MOST_PARTS - count)]
    in_parts = [w.type.shape[-1] for w in found.weights]
    sizes = (*_sizes(node.attrs, dx, found.g, found.weights[0].type.shape[1:-1]), *in_parts)
    function = f"qconv2d_input_grad_{suffix(found.g)}"
    return call(function, *start(node, found), *weights, *constants(found), sizes, *formats(node, found))


def _weight_grad(node: Node) -> Call:
    (x, g), (dw,) = node.inputs, node.outputs
    sizes = _sizes(node.attrs, x, g, node.attrs.get("kernel", _POINT))
    return call(f"qconv2d_weight_grad_{suffix(g)}", dw, x, g, node.attrs["x_zero"], sizes)


def _has_few_parts(node: Node, target: Target) -> bool:
    return bool(node.attrs.get("parts", 1) <= _MOST_PARTS)


_INPUT_GRAD = Kernel(_C, _input_grad, dtypes=GRADIENTS, applies=_has_few_parts)
_WEIGHT_GRAD = Kernel(_C, _weight_grad, dtypes=(DType.I8,))

KERNELS = {
    "qconv2d_input_grad": _INPUT_GRAD,
    "qconv2d_weight_grad": _WEIGHT_GRAD,
    "qdense_input_grad": _INPUT_GRAD,
    "qdense_weight_grad": _WEIGHT_GRAD,
}

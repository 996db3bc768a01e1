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
from gradlet.backends.tinyengine.kernel import SCRATCH, Call, Kernel, beside, call
from gradlet.backends.tinyengine.window_sizes import window_sizes
from gradlet.ir.gradient_epilogue import Operands
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.requantize import DTYPES
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


def _parts(found: Operands[Value]) -> tuple[list[Value | None], tuple[int, ...]]:
    """The parts of the weights, None for each that there is not, and the channels of each."""
    absent = [None] * (_MOST_PARTS - len(found.own))
    return [*found.own, *absent], tuple(w.type.shape[-1] for w in found.own)


def _input_grad(node: Node) -> Call:
    found, dx = _operands(node), node.outputs[0]
    weights, in_parts = _parts(found)
    sizes = (*_sizes(node.attrs, dx, found.g, found.own[0].type.shape[1:-1]), *in_parts)
    function = f"qconv2d_input_grad_{suffix(found.g)}"
    return call(function, *start(node, found), *weights, *constants(found), sizes, *formats(node, found))


def _pointwise_input_grad(node: Node) -> Call:
    found, dx = _operands(node), node.outputs[0]
    weights, in_parts = _parts(found)
    channels, out = dx.type.shape[-1], found.g.type.shape[-1]
    given = (*start(node, found), *weights, *constants(found))
    sizes = (dx.type.size // channels, channels, out, in_parts)
    return call("qconv2d_pointwise_input_grad_i8", *given, *sizes, *formats(node, found), SCRATCH)


def _operands(node: Node) -> Operands[Value]:
    return operands_of(node, node.attrs.get("parts", 1))


def _widened(node: Node) -> int:
    """Bytes of four pixels of the gradient in int16."""
    return 4 * 2 * (node.inputs[0].type.shape[-1] & ~3)


def _multiplies_pairs(node: Node, target: Target) -> bool:
    kernel = _operands(node).own[0].type.shape[1:-1]
    is_whole = node.attrs.get("groups", 1) == 1 and _is_pointwise(node.attrs, kernel)
    return is_whole and _widened(node) > 0 and "dsp" in target.features and _has_few_parts(node, target)


def _weight_grad(node: Node) -> Call:
    (x, g), (dw,) = node.inputs, node.outputs
    sizes = _sizes(node.attrs, x, g, node.attrs.get("kernel", _POINT))
    zero = (node.attrs["x_zero"],) if x.type.dtype is DType.I8 else ()
    return call(f"qconv2d_weight_grad_{suffix(x)}_{suffix(g)}", dw, x, g, *zero, sizes)


def _has_few_parts(node: Node, target: Target) -> bool:
    return bool(node.attrs.get("parts", 1) <= _MOST_PARTS)


_INPUT_GRAD = (
    Kernel(_C, _pointwise_input_grad, "pointwise", (DType.I8,), _multiplies_pairs, _widened),
    Kernel(_C, _input_grad, dtypes=GRADIENTS, applies=_has_few_parts),
)
_WEIGHT_GRAD = Kernel(_C, _weight_grad, dtypes=DTYPES.values())

KERNELS = {
    "qconv2d_input_grad": _INPUT_GRAD,
    "qconv2d_weight_grad": _WEIGHT_GRAD,
    "qdense_input_grad": _INPUT_GRAD,
    "qdense_weight_grad": _WEIGHT_GRAD,
}

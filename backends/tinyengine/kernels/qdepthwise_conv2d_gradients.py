"""The gradients of qdepthwise_conv2d."""

from __future__ import annotations

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
from gradlet.ir.graph import Node
from gradlet.ir.requantize import DTYPES
from gradlet.ir.target import Target
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _input_grad(node: Node) -> Call:
    found, dx = operands_of(node, node.attrs.get("parts", 1)), node.outputs[0]
    w0 = found.own[0]
    sizes = (*window_sizes(node.attrs, dx.type, found.g.type, w0.type.shape[:2]), w0.type.shape[2])
    function = f"qdepthwise_input_grad_{suffix(found.g)}"
    weights = (w0, found.own[1] if len(found.own) > 1 else None)
    return call(function, *start(node, found), *weights, *constants(found), sizes, *formats(node, found))


def _weight_grad(node: Node) -> Call:
    (x, g), (dw,) = node.inputs, node.outputs
    sizes = window_sizes(node.attrs, x.type, g.type)
    zero = (node.attrs["x_zero"],) if x.type.dtype is DType.I8 else ()
    return call(f"qdepthwise_weight_grad_{suffix(x)}_{suffix(g)}", dw, x, g, *zero, sizes)


def _in_two_parts(node: Node, target: Target) -> bool:
    return bool(node.attrs.get("parts", 1) <= 2)


KERNELS = {
    "qdepthwise_conv2d_input_grad": Kernel(_C, _input_grad, dtypes=GRADIENTS, applies=_in_two_parts),
    "qdepthwise_conv2d_weight_grad": Kernel(_C, _weight_grad, dtypes=DTYPES.values()),
}

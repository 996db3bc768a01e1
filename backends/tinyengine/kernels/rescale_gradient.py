"""rescale_gradient: the epilogue of gradients alone, of a gradient that may be repeated along axes."""

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
from gradlet.backends.tinyengine.loops import broadcast_steps, loops
from gradlet.ir.graph import Node
from gradlet.ir.tensor_type import DType


def _rescale_gradient(node: Node) -> Call:
    found = operands_of(node)
    shape = node.outputs[0].type.shape or (1,)
    *steps, step = broadcast_steps(found.g.type.shape or (1,), shape)
    # The rows of channels lie one after the other in the result, as often as the outer axes say.
    axes = loops(shape[:-1] or (1,), tuple(0 for _ in steps) or (0,), tuple(steps) or (0,))
    row = (shape[-1], step, axes)
    function = f"rescale_gradient_{suffix(found.g)}"
    return call(function, *start(node, found), *constants(found), *row, *formats(node, found))


KERNELS = {"rescale_gradient": Kernel(beside(__file__), _rescale_gradient, dtypes=(*GRADIENTS, DType.I32))}

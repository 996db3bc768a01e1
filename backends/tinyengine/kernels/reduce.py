"""sum, mean, max, and the gradient of max."""

import math

from gradlet.backends.tinyengine.kernel import SCRATCH, Call, Kernel, beside, call
from gradlet.backends.tinyengine.loops import broadcast_steps, loops
from gradlet.ir.axes import axes_of, reduced_shape
from gradlet.ir.graph import Attrs, Node
from gradlet.ir.tensor_type import DType, TensorType

_C = beside(__file__)


def _axes(x: TensorType, attrs: Attrs) -> tuple[int, ...]:
    """Loops over x, with the steps in the result."""
    kept = reduced_shape(x, {**attrs, "keepdims": True})
    return loops(x.shape, broadcast_steps(kept, x.shape), broadcast_steps(x.shape, x.shape))


def _f32(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    return call(f"{node.op}_f32", y, x, y.type.size, _axes(x.type, node.attrs))


def _i32(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    return call(f"{node.op}_i32", y, x, y.type.size, _axes(x.type, node.attrs))


def _mean(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    count = math.prod(x.type.shape[a] for a in axes_of(node.attrs, len(x.type.shape)))
    return call("mean_f32", y, x, y.type.size, _axes(x.type, node.attrs), count)


def _max_grad(node: Node) -> Call:
    g, x, y = node.inputs
    return call("max_grad_f32", node.outputs[0], g, x, y, SCRATCH, y.type.size, _axes(x.type, node.attrs))


_INTEGER = Kernel(_C, _i32, "integer", (DType.I32,))

KERNELS = {
    "sum": (Kernel(_C, _f32), _INTEGER),
    "mean": Kernel(_C, _mean),
    "max": (Kernel(_C, _f32), _INTEGER),
    "max_grad": Kernel(_C, _max_grad, scratch=lambda node: 4 * node.inputs[2].type.size),
}

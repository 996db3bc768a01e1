"""sum, mean, max, min, and the gradient of the extremes."""

import math

from gradlet.backends.tinyengine.gradient_operands import suffix
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


def _call(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    return call(f"{node.op}_{suffix(x)}", y, x, y.type.size, _axes(x.type, node.attrs))


def _mean(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    count = math.prod(x.type.shape[a] for a in axes_of(node.attrs, len(x.type.shape)))
    return call("mean_f32", y, x, y.type.size, _axes(x.type, node.attrs), count)


def _max_grad(node: Node) -> Call:
    g, x, y = node.inputs
    function = f"max_grad_{suffix(x)}"
    return call(function, node.outputs[0], g, x, y, SCRATCH, y.type.size, _axes(x.type, node.attrs))


_EXTREME = Kernel(_C, _call, dtypes=(DType.F32, DType.I32, DType.I8, DType.I16))

KERNELS = {
    "sum": Kernel(_C, _call, dtypes=(DType.F32, DType.I32)),
    "mean": Kernel(_C, _mean),
    "max": _EXTREME,
    "min": _EXTREME,
    "max_grad": Kernel(_C, _max_grad, scratch=lambda node: 4 * node.inputs[2].type.size),
}

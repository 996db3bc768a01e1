"""max_pool2d and its gradient."""

from gradlet.backends.tinyengine.gradient_operands import suffix
from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.window_sizes import window_sizes
from gradlet.ir.graph import Node
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _max_pool2d(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    return call(f"max_pool2d_{suffix(x)}", y, x, window_sizes(node.attrs, x.type, y.type))


def _max_pool2d_grad(node: Node) -> Call:
    (g, x), (dx,) = node.inputs, node.outputs
    sizes, (given, seen) = window_sizes(node.attrs, x.type, g.type), (v.type.dtype for v in (g, x))
    if seen.is_float:
        return call("max_pool2d_grad_f32", dx, g, x, sizes)
    return call("max_pool2d_grad_integers", dx, g, given.bits, x, seen.bits, sizes)


KERNELS = {
    "max_pool2d": Kernel(_C, _max_pool2d, dtypes=(DType.F32, DType.I8, DType.I16)),
    "max_pool2d_grad": Kernel(_C, _max_pool2d_grad, dtypes=(DType.F32, DType.I8, DType.I16)),
}

"""avg_pool2d and its gradient."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.window_sizes import window_sizes
from gradlet.ir.graph import Node

_C = beside(__file__)


def _avg_pool2d(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    sizes = window_sizes(node.attrs, x.type, y.type)
    return call("avg_pool2d_f32", y, x, sizes, node.attrs.get("count_include_pad", True))


def _avg_pool2d_grad(node: Node) -> Call:
    (g,), (dx,) = node.inputs, node.outputs
    sizes = window_sizes(node.attrs, dx.type, g.type)
    return call("avg_pool2d_grad_f32", dx, g, sizes, node.attrs.get("count_include_pad", True))


KERNELS = {"avg_pool2d": Kernel(_C, _avg_pool2d), "avg_pool2d_grad": Kernel(_C, _avg_pool2d_grad)}

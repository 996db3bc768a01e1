"""max_pool2d and its gradient."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.window_sizes import window_sizes
from gradlet.ir.graph import Node

_C = beside(__file__)


def _max_pool2d(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    return call("max_pool2d_f32", y, x, window_sizes(node.attrs, x.type, y.type))


def _max_pool2d_grad(node: Node) -> Call:
    (g, x), (dx,) = node.inputs, node.outputs
    return call("max_pool2d_grad_f32", dx, g, x, window_sizes(node.attrs, x.type, g.type))


KERNELS = {"max_pool2d": Kernel(_C, _max_pool2d), "max_pool2d_grad": Kernel(_C, _max_pool2d_grad)}

"""dense and its weight gradient."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.activations import bounds
from gradlet.ir.graph import Node

_C = beside(__file__)


def _dense(node: Node) -> Call:
    x, w, *bias = node.inputs
    out, in_ = w.type.shape
    b = bias[0] if bias else None
    return call("dense_f32", node.outputs[0], x, w, b, x.type.size // in_, in_, out, *bounds(node.attrs))


def _dense_weight_grad(node: Node) -> Call:
    g, x = node.inputs
    out, in_ = node.outputs[0].type.shape
    rows = g.type.size // out
    if rows == 1:
        return call("dense_weight_grad_of_one_f32", node.outputs[0], g, x, in_, out)
    return call("dense_weight_grad_f32", node.outputs[0], g, x, rows, in_, out)


KERNELS = {"dense": Kernel(_C, _dense), "dense_weight_grad": Kernel(_C, _dense_weight_grad)}

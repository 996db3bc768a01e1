"""ordered_dense and its gradients: the tiles of dense, which add in the order of the index."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node

_C = beside(__file__)


def _dense(node: Node) -> Call:
    x, w, *bias = node.inputs
    (rows, in_), out = x.type.shape, w.type.shape[0]
    return call("ordered_dense_f32", node.outputs[0], x, w, bias[0] if bias else None, rows, in_, out)


def _input_grad(node: Node) -> Call:
    (g, w), (dx,) = node.inputs, node.outputs
    (rows, out), in_ = g.type.shape, w.type.shape[1]
    return call("ordered_dense_input_grad_f32", dx, g, w, rows, in_, out)


def _weight_grad(node: Node) -> Call:
    (g, x), (dw,) = node.inputs, node.outputs
    (rows, out), in_ = g.type.shape, x.type.shape[1]
    return call("ordered_dense_weight_grad_f32", dw, g, x, rows, in_, out)


def _bias_grad(node: Node) -> Call:
    (g,), (db,) = node.inputs, node.outputs
    return call("ordered_dense_bias_grad_f32", db, g, *g.type.shape)


KERNELS = {
    "ordered_dense": Kernel(_C, _dense),
    "ordered_dense_input_grad": Kernel(_C, _input_grad),
    "ordered_dense_weight_grad": Kernel(_C, _weight_grad),
    "ordered_dense_bias_grad": Kernel(_C, _bias_grad),
}

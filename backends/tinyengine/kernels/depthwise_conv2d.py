"""depthwise_conv2d and its gradients."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.window_sizes import window_sizes
from gradlet.ir.activations import bounds
from gradlet.ir.graph import Node

_C = beside(__file__)


def _forward(node: Node) -> Call:
    (x, w, *bias), (y,) = node.inputs, node.outputs
    sizes = window_sizes(node.attrs, x.type, y.type, w.type.shape[:2])
    return call("depthwise_conv2d_f32", y, x, w, bias[0] if bias else None, sizes, *bounds(node.attrs))


def _input_grad(node: Node) -> Call:
    (g, w), (dx,) = node.inputs, node.outputs
    sizes = window_sizes(node.attrs, dx.type, g.type, w.type.shape[:2])
    return call("depthwise_conv2d_input_grad_f32", dx, g, w, sizes)


def _weight_grad(node: Node) -> Call:
    (x, g), (dw,) = node.inputs, node.outputs
    return call("depthwise_conv2d_weight_grad_f32", dw, x, g, window_sizes(node.attrs, x.type, g.type))


KERNELS = {
    "depthwise_conv2d": Kernel(_C, _forward),
    "depthwise_conv2d_input_grad": Kernel(_C, _input_grad),
    "depthwise_conv2d_weight_grad": Kernel(_C, _weight_grad),
}

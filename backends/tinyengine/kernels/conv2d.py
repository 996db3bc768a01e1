"""conv2d and its gradients; a pointwise one is a product of matrices."""

from collections.abc import Sequence

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.window_sizes import window_sizes
from gradlet.ir.activations import bounds
from gradlet.ir.graph import Attrs, Node, Value

_C = beside(__file__)


def _is_pointwise(attrs: Attrs, kernel: Sequence[int]) -> bool:
    plain = tuple(kernel) == tuple(attrs["strides"]) == (1, 1) and not any(attrs["padding"])
    return plain and attrs.get("groups", 1) == 1


def _matrices(images: Value, results: Value) -> tuple[int, int, int]:
    """Pixels, channels, output channels."""
    channels = images.type.shape[3]
    return images.type.size // channels, channels, results.type.shape[3]


def _sizes(attrs: Attrs, images: Value, results: Value, kernel: Sequence[int]) -> tuple[tuple[int, ...], int]:
    return window_sizes(attrs, images.type, results.type, kernel), attrs.get("groups", 1)


def _conv2d(node: Node) -> Call:
    (x, w, *bias), (y,) = node.inputs, node.outputs
    b, kernel = bias[0] if bias else None, w.type.shape[1:3]
    if _is_pointwise(node.attrs, kernel):
        return call("conv2d_pointwise_f32", y, x, w, b, *_matrices(x, y), *bounds(node.attrs))
    return call("conv2d_f32", y, x, w, b, *_sizes(node.attrs, x, y, kernel), *bounds(node.attrs))


def _input_grad(node: Node) -> Call:
    (g, w), (dx,) = node.inputs, node.outputs
    kernel = w.type.shape[1:3]
    if _is_pointwise(node.attrs, kernel):
        return call("conv2d_pointwise_input_grad_f32", dx, g, w, *_matrices(dx, g))
    return call("conv2d_input_grad_f32", dx, g, w, *_sizes(node.attrs, dx, g, kernel))


def _weight_grad(node: Node) -> Call:
    (x, g), (dw,) = node.inputs, node.outputs
    kernel = node.attrs["kernel"]
    if _is_pointwise(node.attrs, kernel):
        return call("conv2d_pointwise_weight_grad_f32", dw, x, g, *_matrices(x, g))
    return call("conv2d_weight_grad_f32", dw, x, g, *_sizes(node.attrs, x, g, kernel))


KERNELS = {
    "conv2d": Kernel(_C, _conv2d),
    "conv2d_input_grad": Kernel(_C, _input_grad),
    "conv2d_weight_grad": Kernel(_C, _weight_grad),
}

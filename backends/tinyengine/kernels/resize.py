"""resize and its gradient."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node, Value

_C = beside(__file__)


def _resize(node: Node) -> Call:
    return _call(node, "", node.inputs[0], node.outputs[0])


def _resize_grad(node: Node) -> Call:
    return _call(node, "_grad", node.outputs[0], node.inputs[0])


def _call(node: Node, suffix: str, images: Value, resized: Value) -> Call:
    sizes = (*images.type.shape, *resized.type.shape[1:3])
    operands = (*node.outputs, *node.inputs)
    if node.attrs["mode"] == "nearest":
        return call(f"resize_nearest{suffix}_f32", *operands, *sizes)
    return call(f"resize_bilinear{suffix}_f32", *operands, *sizes, node.attrs.get("align_corners", False))


KERNELS = {"resize": Kernel(_C, _resize), "resize_grad": Kernel(_C, _resize_grad)}

"""bias_add."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node


def _bias_add(node: Node) -> Call:
    x, bias = node.inputs
    channels = bias.type.size
    return call("bias_add_f32", node.outputs[0], x, bias, x.type.size // channels, channels)


KERNELS = {"bias_add": Kernel(beside(__file__), _bias_add)}

"""gradient_sum: the gradient of a bias."""

from gradlet.backends.tinyengine.gradient_operands import GRADIENTS, suffix
from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node


def _gradient_sum(node: Node) -> Call:
    (g,), (y,) = node.inputs, node.outputs
    channels = y.type.size
    return call(f"gradient_sum_{suffix(g)}", y, g, g.type.size // channels, channels)


KERNELS = {"gradient_sum": Kernel(beside(__file__), _gradient_sum, dtypes=GRADIENTS)}

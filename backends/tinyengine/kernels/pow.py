"""pow."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.loops import pair_loops
from gradlet.ir.graph import Node


def _pow(node: Node) -> Call:
    (a, b), (y,) = node.inputs, node.outputs
    return call("pow_broadcast_f32", y, a, b, pair_loops(a, b, y))


KERNELS = {"pow": Kernel(beside(__file__), _pow)}

"""dropout: the same elements as in numpy, because the generator is integers only."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.seeds import seeded, signed
from gradlet.ir.graph import Node
from gradlet.ir.random_bits import threshold


def _dropout(node: Node) -> Call:
    x, counter = node.inputs
    rate = node.attrs["rate"]
    bits = seeded(node.attrs["seed"]), signed(threshold(rate))
    y, kept, _ = node.outputs
    return call("dropout_f32", y, kept, counter, x, x.type.size, *bits, 1 / (1 - rate))


KERNELS = {"dropout": Kernel(beside(__file__), _dropout)}

"""dropout: the same elements as in numpy, because the generator is integers only."""

import numpy as np

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node
from gradlet.ir.random_bits import mix, threshold


def _signed(word: int) -> int:
    """The int with the bits of a u32."""
    return word - 2**32 if word >= 2**31 else word


def _dropout(node: Node) -> Call:
    x, counter = node.inputs
    rate = node.attrs["rate"]
    seeded = int(mix(np.array([node.attrs["seed"] & 0xFFFFFFFF], np.uint32))[0])
    y, kept, _ = node.outputs
    bits = _signed(seeded), _signed(threshold(rate))
    return call("dropout_f32", y, kept, counter, x, x.type.size, *bits, 1 / (1 - rate))


KERNELS = {"dropout": Kernel(beside(__file__), _dropout)}

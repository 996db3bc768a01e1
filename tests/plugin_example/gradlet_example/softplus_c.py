"""softplus and its gradient in C."""

from pathlib import Path

from gradlet.backends.tinyengine.kernel import Call, Kernel, call
from gradlet.ir.graph import Node

_C = Path(__file__).with_name("softplus.c")


def _lower(node: Node) -> Call:
    return call(f"{node.op}_f32", node.outputs[0], *node.inputs, node.outputs[0].type.size)


KERNELS = {"softplus": Kernel(_C, _lower), "softplus_grad": Kernel(_C, _lower)}

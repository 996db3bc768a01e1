"""inside and masked: masks, eight elements a byte."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node

_C = beside(__file__)


def _inside(node: Node) -> Call:
    (y,), (m,) = node.inputs, node.outputs
    return call("inside_f32", m, y, y.type.size, float(node.attrs["lo"]), float(node.attrs["hi"]))


def _masked(node: Node) -> Call:
    (g, m), (y,) = node.inputs, node.outputs
    return call("masked_f32", y, g, m, y.type.size, float(node.attrs.get("scale", 1.0)))


KERNELS = {"inside": Kernel(_C, _inside), "masked": Kernel(_C, _masked)}

"""clip and its gradient."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node

_C = beside(__file__)


def _clip(node: Node) -> Call:
    bounds = float(node.attrs["lo"]), float(node.attrs["hi"])
    return call(f"{node.op}_f32", node.outputs[0], *node.inputs, node.outputs[0].type.size, *bounds)


KERNELS = {"clip": Kernel(_C, _clip), "clip_grad": Kernel(_C, _clip)}

"""sgd, in place, on all of a parameter or on a region of it."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.update_place import accumulation, place
from gradlet.ir.graph import Node


def _sgd(node: Node) -> Call:
    w, g, lr, *micro = node.inputs
    decay = float(node.attrs.get("weight_decay", 0.0))
    return call("sgd_f32", w, g, lr, *accumulation(micro, node), *place(node), decay)


KERNELS = {"sgd": Kernel(beside(__file__), _sgd)}

"""momentum, in place, on all of a parameter or on a region of it."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.update_place import accumulation, moment_place, place
from gradlet.ir.graph import Node


def _momentum(node: Node) -> Call:
    w, g, v, lr, *micro = node.inputs
    attrs = node.attrs
    rule = float(attrs["momentum"]), attrs.get("nesterov", False), float(attrs.get("weight_decay", 0.0))
    where = *place(node), *moment_place(node, v)
    return call("momentum_f32", w, g, v, lr, *accumulation(micro, node), *where, *rule)


KERNELS = {"momentum": Kernel(beside(__file__), _momentum)}

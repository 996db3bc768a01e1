"""sgd, in place, on all of a parameter or on a region of it."""

import math

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node, Region
from gradlet.ir.updates import region

_C = beside(__file__)


def _sgd(node: Node) -> Call:
    w, g, lr, *micro = node.inputs
    shape = w.type.shape or (1,)
    part = region(node.attrs) or Region(0, 0, shape[0])
    outer, inner = math.prod(shape[: part.axis]), math.prod(shape[part.axis + 1 :])
    accumulation = (micro[0], node.attrs["every"]) if micro else (None, 1)
    place = (outer, shape[part.axis], part.begin, part.end, inner)
    return call("sgd_f32", w, g, lr, *accumulation, *place, node.attrs.get("weight_decay", 0.0))


KERNELS = {"sgd": Kernel(_C, _sgd)}

"""master_sgd: a quantised parameter follows a float copy of it."""

from __future__ import annotations

from gradlet.backends.tinyengine.channel_walks import channels, weight_decay
from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.update_place import accumulation, place
from gradlet.ir.graph import Node
from gradlet.ir.quantized_updates import operands
from gradlet.ir.tensor_type import DType


def _master_sgd(node: Node) -> Call:
    p, master, *given = node.inputs
    moments = given.pop() if "momentum" in node.attrs else None
    found = operands(given, lambda value: value.type.dtype.is_float)
    where = (*accumulation(found.rest, node), *place(node), *channels(node))
    rule = (p.type.dtype.bits, float(node.attrs.get("momentum", 0.0)), weight_decay(node))
    return call("master_sgd", p, master, found.g, found.unit, found.lr, found.factor, moments, *where, *rule)


KERNELS = {"master_sgd": Kernel(beside(__file__), _master_sgd, dtypes=(DType.I8, DType.I32))}

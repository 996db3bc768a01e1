"""quantized_sgd: int8 weights and int32 biases learn in place."""

from __future__ import annotations

from gradlet.backends.tinyengine.channel_walks import channels, weight_decay
from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.seeds import seeded
from gradlet.backends.tinyengine.update_place import accumulation, place
from gradlet.ir.graph import Node
from gradlet.ir.ops.quantized_sgd import FRACTION, draws
from gradlet.ir.quantized_updates import operands
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _i8(node: Node) -> Call:
    p, *given = node.inputs
    found = operands(given, lambda value: value.type.dtype.is_float)
    counters = int(draws(p.type, node.attrs))
    counter, micro = found.rest[0] if counters else None, found.rest[counters:]
    bound = node.attrs.get("bound")
    most = round(FRACTION * bound) if bound else -1
    where = (*accumulation(micro, node), *place(node), *channels(node))
    stream = seeded(node.attrs.get("seed", 0)), node.attrs.get("first_word", 0)
    rule = (*stream, most, weight_decay(node))
    return call("quantized_sgd_i8", p, found.g, found.unit, found.lr, found.factor, counter, *where, *rule)


def _i32(node: Node) -> Call:
    p, *given = node.inputs
    found = operands(given, lambda value: value.type.dtype.is_float)
    where = (*accumulation(found.rest, node), *place(node), *channels(node))
    return call("quantized_sgd_i32", p, found.g, found.unit, found.lr, found.factor, *where, weight_decay(node))


KERNELS = {"quantized_sgd": (Kernel(_C, _i8, dtypes=(DType.I8,)), Kernel(_C, _i32, "bias", dtypes=(DType.I32,)))}

"""accumulate and count."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.update_place import accumulation, place
from gradlet.ir.graph import Node
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _accumulate(node: Node) -> Call:
    a, g, micro = node.inputs
    return call("accumulate_f32", a, g, micro, node.attrs["every"], *place(node))


def _count(node: Node) -> Call:
    c, *micro = node.inputs
    return call("count_i32", c, *accumulation(micro, node))


KERNELS = {"accumulate": Kernel(_C, _accumulate), "count": Kernel(_C, _count, dtypes=(DType.I32,))}

"""maximum, minimum and their gradient."""

from gradlet.backends.tinyengine.gradient_operands import suffix
from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.loops import pair_loops
from gradlet.ir.graph import Node
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _call(node: Node) -> Call:
    (*g, a, b), (y,) = node.inputs, node.outputs
    return call(f"{node.op}_{suffix(a)}", y, *g, a, b, pair_loops(a, b, y))


_EXTREME = Kernel(_C, _call, dtypes=(DType.F32, DType.I8, DType.I16))

KERNELS = {"maximum": _EXTREME, "minimum": _EXTREME, "maximum_grad": Kernel(_C, _call)}

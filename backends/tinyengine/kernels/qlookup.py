"""qlookup and its gradient: tables in flash."""

from gradlet.backends.tinyengine.gradient_operands import (
    GRADIENTS,
    constants,
    formats,
    operands_of,
    start,
    suffix,
)
from gradlet.backends.tinyengine.kernel import Call, Kernel, Table, beside, call
from gradlet.ir.graph import Node
from gradlet.ir.int8_functions import slope_table, table
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _qlookup(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    return call("qlookup_i8", y, x, y.type.size, Table.of(table(node.attrs)))


def _input_grad(node: Node) -> Call:
    found, y = operands_of(node, 1), node.outputs[0].type
    channels = y.shape[-1] if y.shape else 1
    slopes = Table.of(slope_table(node.attrs))
    function = f"qlookup_input_grad_{suffix(found.g)}"
    given = (*start(node, found), *found.own, *constants(found))
    return call(function, *given, slopes, y.size // channels, channels, *formats(node, found))


KERNELS = {
    "qlookup": Kernel(_C, _qlookup, dtypes=(DType.I8,)),
    "qlookup_input_grad": Kernel(_C, _input_grad, dtypes=GRADIENTS),
}

"""qlookup and its gradient: tables in flash."""

from types import ModuleType

from gradlet.backends.tinyengine.gradient_operands import (
    GRADIENTS,
    constants,
    formats,
    operands_of,
    start,
    suffix,
)
from gradlet.backends.tinyengine.kernel import Call, Kernel, Table, beside, call
from gradlet.ir import int8_functions, interpolated
from gradlet.ir.graph import Node, Value
from gradlet.ir.requantize import DTYPES
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _qlookup(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    return call(f"qlookup_{suffix(x)}", y, x, y.type.size, Table.of(_tables(x).table(node.attrs)))


def _tables(x: Value) -> ModuleType:
    """What makes the tables of a function for values of this type."""
    return interpolated if x.type.dtype is DType.I16 else int8_functions


def _input_grad(node: Node) -> Call:
    found, y = operands_of(node, 1), node.outputs[0].type
    (x,) = found.own
    channels = y.shape[-1] if y.shape else 1
    slopes = Table.of(_tables(x).slope_table(node.attrs))
    function = f"qlookup_input_grad_{suffix(found.g)}"
    sizes = y.size // channels, channels, x.type.dtype.bits
    return call(function, *start(node, found), x, *constants(found), slopes, *sizes, *formats(node, found))


KERNELS = {
    "qlookup": Kernel(_C, _qlookup, dtypes=DTYPES.values()),
    "qlookup_input_grad": Kernel(_C, _input_grad, dtypes=GRADIENTS),
}

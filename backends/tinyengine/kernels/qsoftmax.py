"""qsoftmax and its gradient."""

import numpy as np

from gradlet.backends.tinyengine.gradient_operands import (
    GRADIENTS,
    constants,
    formats,
    operands_of,
    start,
    suffix,
)
from gradlet.backends.tinyengine.kernel import Call, Kernel, Table, beside, call
from gradlet.ir.fixed_point import exponentials
from gradlet.ir.graph import Node
from gradlet.ir.ops.qsoftmax import factor
from gradlet.ir.tensor_type import DType, TensorType

_C = beside(__file__)


def _rows(type_: TensorType) -> tuple[int, int]:
    n = type_.shape[-1]
    return type_.size // n, n


def _qsoftmax(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    return call("qsoftmax_i8", y, x, *_rows(y.type), Table.of(exponentials(factor(node.attrs)).astype(np.int32)))


def _input_grad(node: Node) -> Call:
    found = operands_of(node, 1)
    given = (*start(node, found), *found.own, *constants(found), *_rows(node.outputs[0].type))
    return call(f"qsoftmax_input_grad_{suffix(found.g)}", *given, *formats(node, found))


KERNELS = {
    "qsoftmax": Kernel(_C, _qsoftmax, dtypes=(DType.I8,)),
    "qsoftmax_input_grad": Kernel(_C, _input_grad, dtypes=GRADIENTS),
}

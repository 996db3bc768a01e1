"""qlog_softmax and its gradient."""

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
from gradlet.ir.fixed_point import differences, exponentials
from gradlet.ir.graph import Node
from gradlet.ir.ops.qlog_softmax import shares
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _qlog_softmax(node: Node) -> Call:
    (x,), (y,), n = node.inputs, node.outputs, node.outputs[0].type.shape[-1]
    tables = (Table.of(f(node.attrs["x_scale"]).astype(np.int32)) for f in (exponentials, differences))
    return call("qlog_softmax_i8", y, x, y.type.size // n, n, *tables)


def _input_grad(node: Node) -> Call:
    found, y = operands_of(node, 1), node.outputs[0].type
    given = (*start(node, found), *found.own, *constants(found))
    rows = (y.size // y.shape[-1], y.shape[-1])
    return call(f"qlog_softmax_input_grad_{suffix(found.g)}", *given, Table.of(shares()), *rows, *formats(node, found))


KERNELS = {
    "qlog_softmax": Kernel(_C, _qlog_softmax, dtypes=(DType.I8,)),
    "qlog_softmax_input_grad": Kernel(_C, _input_grad, dtypes=GRADIENTS),
}

"""gather, and the sums of its gradient."""

import math

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.axes import axis_of
from gradlet.ir.graph import Node
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _gather(node: Node) -> Call:
    (x, indices), (y,) = node.inputs, node.outputs
    shape, axis = x.type.shape, axis_of(node.attrs, len(x.type.shape))
    bytes_ = math.prod(shape[axis + 1 :]) * x.type.dtype.bits // 8
    return call("gather_rows", y, x, indices, math.prod(shape[:axis]), shape[axis], indices.type.size, bytes_)


def _gather_grad(node: Node) -> Call:
    (g, indices), (y,) = node.inputs, node.outputs
    shape, axis = y.type.shape, node.attrs["axis"]
    blocks, columns = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    return call("scatter_rows_f32", y, g, indices, blocks, shape[axis], indices.type.size, columns)


KERNELS = {
    "gather": Kernel(_C, _gather, dtypes=tuple(set(DType) - {DType.B1})),
    "gather_grad": Kernel(_C, _gather_grad),
}

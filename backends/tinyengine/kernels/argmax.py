"""argmax along one axis."""

import math

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.axes import axis_of
from gradlet.ir.graph import Node
from gradlet.ir.tensor_type import DType

_SUFFIX = {DType.F32: "f32", DType.I8: "i8", DType.I16: "i16", DType.I32: "i32"}


def _argmax(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    shape, axis = x.type.shape, axis_of(node.attrs, len(x.type.shape))
    blocks, step = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    return call(f"argmax_{_SUFFIX[x.type.dtype]}", y, x, blocks, shape[axis], step)


KERNELS = {"argmax": Kernel(beside(__file__), _argmax, dtypes=tuple(_SUFFIX))}

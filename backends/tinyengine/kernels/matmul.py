"""matmul: plain or transposed operands, shared or not by a batch."""

import math

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node, Value

_C = beside(__file__)


def _matmul(node: Node) -> Call:
    (a, b), (y,) = node.inputs, node.outputs
    ta, tb = node.attrs.get("transpose_a", False), node.attrs.get("transpose_b", False)
    *leading, rows, columns = y.type.shape
    depth = a.type.shape[-2 if ta else -1]
    batch, a_step, b_step = math.prod(leading), _step(a), _step(b)
    if not ta and not b_step:
        # Matrices that meet the same b are one tall matrix.
        batch, rows, a_step = 1, batch * rows, 0
    letters = ("t" if ta else "n") + ("t" if tb else "n")
    return call(f"batch_matmul_{letters}_f32", y, a, b, batch, a_step, b_step, rows, columns, depth)


def _step(operand: Value) -> int:
    """Elements from one matrix of the batch to the next."""
    shape = operand.type.shape
    return shape[-1] * shape[-2] if len(shape) > 2 else 0


KERNELS = {"matmul": Kernel(_C, _matmul)}

"""reshape, transpose, flip, broadcast_to, concat, slice and split: elements of any type move, none changes."""

import math
from collections.abc import Sequence

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.backends.tinyengine.loops import broadcast_steps, loops, row_major
from gradlet.ir.axes import axes_of, axis_of
from gradlet.ir.graph import Node, Value
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _gather(y: Value, x: Value, begin: int, steps: Sequence[int]) -> Call:
    """y in its order, from element `begin` of x on with these steps along the axes of y."""
    suffix = "b1" if x.type.dtype is DType.B1 else str(x.type.dtype.bits // 8)
    return call(f"gather_{suffix}", y, x, begin, loops(y.type.shape, steps))


def _reshape(node: Node) -> Call:
    return call("copy_bytes", node.outputs[0], node.inputs[0], node.inputs[0].type.bytes)


def _transpose(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    steps = row_major(x.type.shape)
    return _gather(y, x, 0, [steps[a] for a in node.attrs["axes"]])


def _flip(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    flipped, steps = axes_of(node.attrs, len(x.type.shape)), row_major(x.type.shape)
    begin = sum((x.type.shape[a] - 1) * steps[a] for a in flipped)
    return _gather(y, x, begin, [-s if a in flipped else s for a, s in enumerate(steps)])


def _broadcast_to(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    return _gather(y, x, 0, broadcast_steps(x.type.shape, y.type.shape))


def _part(y: Value, x: Value, axis: int, begin: int, step: int = 1) -> Call:
    """Indices begin, begin + step, ... of one axis of x, as many as y has."""
    steps = row_major(x.type.shape)
    if step > 1 or x.type.dtype is DType.B1:
        return _gather(y, x, begin * steps[axis], [s * (step if a == axis else 1) for a, s in enumerate(steps)])
    element = x.type.dtype.bits // 8 * steps[axis]
    rows, bytes_ = math.prod(x.type.shape[:axis]), y.type.shape[axis] * element
    return call("copy_rows", y, x, rows, bytes_, 0, bytes_, begin * element, x.type.shape[axis] * element)


def _slice(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    axis = axis_of(node.attrs, len(x.type.shape))
    return _part(y, x, axis, node.attrs["begin"], node.attrs.get("step", 1))


def _split(node: Node) -> list[Call]:
    x = node.inputs[0]
    axis, calls, begin = axis_of(node.attrs, len(x.type.shape)), [], 0
    for y in node.outputs:
        calls.append(_part(y, x, axis, begin))
        begin += y.type.shape[axis]
    return calls


def _concat(node: Node) -> list[Call]:
    y = node.outputs[0]
    axis = axis_of(node.attrs, len(y.type.shape))
    rows, inner, begin = math.prod(y.type.shape[:axis]), row_major(y.type.shape)[axis], 0
    masks = y.type.dtype is DType.B1
    element = inner * (1 if masks else y.type.dtype.bits // 8)
    step = y.type.shape[axis] * element
    calls = [call("clear_bits", y, y.type.bytes)] if masks else []
    for x in node.inputs:
        size = x.type.shape[axis] * element
        if masks:
            calls.append(call("copy_bit_rows", y, x, rows, size, begin, step))
        else:
            calls.append(call("copy_rows", y, x, rows, size, begin, step, 0, size))
        begin += size
    return calls


KERNELS = {
    "reshape": Kernel(_C, _reshape, dtypes=tuple(DType)),
    "transpose": Kernel(_C, _transpose, dtypes=tuple(DType)),
    "flip": Kernel(_C, _flip, dtypes=tuple(DType)),
    "broadcast_to": Kernel(_C, _broadcast_to, dtypes=tuple(DType)),
    "concat": Kernel(_C, _concat, dtypes=tuple(DType)),
    "slice": Kernel(_C, _slice, dtypes=tuple(DType)),
    "split": Kernel(_C, _split, dtypes=tuple(DType)),
}

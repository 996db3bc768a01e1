"""slice(x; axis, begin, end, step=1): the indices begin, begin + step, ... below end of one axis."""

from collections.abc import Mapping, Sequence

from gradlet.ir.axes import axis_of, replaced
from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.quantized_samples import integers, q8, q16
from gradlet.ir.tensor_type import TensorType, b1, f32, i32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    (x,) = types
    axis, begin, end, step = axis_of(attrs, len(x.shape)), attrs["begin"], attrs["end"], attrs.get("step", 1)
    if not 0 <= begin < end <= x.shape[axis] or step < 1:
        raise ValueError(f"indices {begin} to {end} by {step} are no part of axis {axis} of {x}")
    return [x.with_shape(*replaced(x.shape, axis, -(-(end - begin) // step)))]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    (x,) = args
    part = slice(attrs["begin"], attrs["end"], attrs.get("step", 1))
    return [x[(slice(None),) * axis_of(attrs, x.ndim) + (part,)]]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    g, shape = grads[0], node.inputs[0].type.shape
    assert g is not None
    axis, begin = axis_of(node.attrs, len(shape)), node.attrs["begin"]
    if node.attrs.get("step", 1) > 1:
        g = _spread(emit, g, axis, node.attrs["step"])
        if begin + g.type.shape[axis] > shape[axis]:
            g = emit("slice", g, axis=axis, begin=0, end=shape[axis] - begin)
    return [_padded(emit, g, axis, begin, shape[axis] - begin - g.type.shape[axis])]


def _spread(emit: Emit, g: Value, axis: int, step: int) -> Value:
    """Puts step - 1 zeros after every index along the axis."""
    shape = g.type.shape
    columns = emit("reshape", g, shape=(*shape[: axis + 1], 1, *shape[axis + 1 :]))
    return emit(
        "reshape",
        _padded(emit, columns, axis + 1, 0, step - 1),
        shape=replaced(shape, axis, shape[axis] * step),
    )


def _padded(emit: Emit, g: Value, axis: int, before: int, after: int) -> Value:
    if before == after == 0:
        return g
    none = (0,) * len(g.type.shape)
    return emit("pad", g, before=replaced(none, axis, before), after=replaced(none, axis, after))


def _slices(node: Node) -> Mapping[int, Sequence[tuple[int, int]]]:
    rank = len(node.outputs[0].type.shape)
    return {a: [(0, a)] for a in range(rank) if a != axis_of(node.attrs, rank)}


SLICE = OpDef(
    name="slice",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    slices=_slices,
    examples=[
        Example([f32(5, 3)], {"axis": 0, "begin": 1, "end": 4}),
        Example([f32(2, 3, 7)], {"axis": -1, "begin": 0, "end": 5}),
        Example([f32(2, 7, 2, 3)], {"axis": 1, "begin": 1, "end": 7, "step": 2}),
        Example([f32(8)], {"axis": 0, "begin": 2, "end": 6, "step": 3}),
        Example([f32(9)], {"axis": 0, "begin": 0, "end": 9, "step": 4}),
        Example([f32(2, 3)], {"axis": 0, "begin": 0, "end": 2}),
        Example([q8(2, 7, 3)], {"axis": 1, "begin": 1, "end": 6}, integers()),
        Example([q8(3, 9)], {"axis": 1, "begin": 1, "end": 9, "step": 3}, integers()),
        Example([q16(3, 9)], {"axis": 1, "begin": 1, "end": 9, "step": 3}, integers()),
        Example([q16(2, 7, 3)], {"axis": 1, "begin": 1, "end": 6}, integers()),
        Example([i32(5)], {"axis": 0, "begin": 2, "end": 5}, differentiable=()),
        Example([b1(3, 11)], {"axis": 1, "begin": 2, "end": 11}, differentiable=()),
    ],
)

OPS = (SLICE,)

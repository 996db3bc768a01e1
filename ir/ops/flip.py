"""flip(x; axis): the indices of these axes in reverse order."""

from collections.abc import Mapping, Sequence

import numpy as np

from gradlet.ir.axes import axes_of
from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Emit, Example, OpDef
from gradlet.ir.quantized_samples import integers, q8, q16
from gradlet.ir.tensor_type import TensorType, b1, f32, i32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    axes_of(attrs, len(types[0].shape))
    return list(types)


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("flip", grads[0], axis=node.attrs["axis"])]


def _slices(node: Node) -> Mapping[int, Sequence[tuple[int, int]]]:
    rank = len(node.outputs[0].type.shape)
    return {a: [(0, a)] for a in range(rank) if a not in axes_of(node.attrs, rank)}


FLIP = OpDef(
    name="flip",
    infer=_infer,
    evaluate=lambda args, attrs: [np.flip(args[0], attrs["axis"])],
    gradient=_gradient,
    slices=_slices,
    examples=[
        Example([f32(5)], {"axis": (0,)}),
        Example([f32(2, 3, 4)], {"axis": (-1, 0)}),
        Example([f32(2, 3)], {"axis": ()}),
        Example([q8(2, 3, 2, 5)], {"axis": (1, 2)}, integers()),
        Example([q16(3, 5)], {"axis": (1,)}, integers()),
        Example([i32(2, 3)], {"axis": (1,)}, differentiable=()),
        Example([b1(3, 5)], {"axis": (0, 1)}, differentiable=()),
    ],
)

OPS = (FLIP,)

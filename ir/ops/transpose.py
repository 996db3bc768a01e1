"""transpose(x; axes): axis k of the output is axis `axes[k]` of the input."""

from collections.abc import Mapping, Sequence

import numpy as np

from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Emit, Example, OpDef
from gradlet.ir.quantized_samples import integers, q8, q16
from gradlet.ir.tensor_type import TensorType, b1, f32, i32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    (x,) = types
    if sorted(attrs["axes"]) != list(range(len(x.shape))):
        raise ValueError(f"axes {attrs['axes']} are no order of the {len(x.shape)} axes of {x}")
    return [x.with_shape(*(x.shape[a] for a in attrs["axes"]))]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("transpose", grads[0], axes=tuple(int(a) for a in np.argsort(node.attrs["axes"])))]


def _slices(node: Node) -> Mapping[int, Sequence[tuple[int, int]]]:
    return {k: [(0, a)] for k, a in enumerate(node.attrs["axes"])}


TRANSPOSE = OpDef(
    name="transpose",
    infer=_infer,
    evaluate=lambda args, attrs: [args[0].transpose(attrs["axes"])],
    gradient=_gradient,
    slices=_slices,
    examples=[
        Example([f32(3, 4)], {"axes": (1, 0)}),
        Example([f32(2, 3, 4)], {"axes": (1, 2, 0)}),
        Example([f32(2, 3, 4, 5)], {"axes": (0, 3, 1, 2)}),
        Example([f32(2, 3, 4, 5)], {"axes": (0, 2, 1, 3)}),
        Example([f32(1, 2, 3, 2, 2, 2)], {"axes": (5, 3, 0, 1, 4, 2)}),
        Example([f32()], {"axes": ()}),
        Example([q8(2, 3, 5)], {"axes": (2, 0, 1)}, integers()),
        Example([q16(2, 3, 5)], {"axes": (2, 0, 1)}, integers()),
        Example([i32(2, 3)], {"axes": (1, 0)}, differentiable=()),
        Example([b1(3, 5)], {"axes": (1, 0)}, differentiable=()),
    ],
)

OPS = (TRANSPOSE,)

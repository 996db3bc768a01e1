"""reshape(x; shape): the same elements in the same order."""

from collections.abc import Sequence

from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Emit, Example, OpDef
from gradlet.ir.quantized_samples import integers, q8
from gradlet.ir.tensor_type import TensorType, b1, f32, i32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    y = types[0].with_shape(*attrs["shape"])
    if y.size != types[0].size or any(n < 0 for n in y.shape):
        raise ValueError(f"{types[0]} has {types[0].size} elements, shape {attrs['shape']} does not")
    return [y]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("reshape", grads[0], shape=node.inputs[0].type.shape)]


RESHAPE = OpDef(
    name="reshape",
    infer=_infer,
    evaluate=lambda args, attrs: [args[0].reshape(attrs["shape"])],
    gradient=_gradient,
    may_overwrite={0: (0,)},
    examples=[
        Example([f32(2, 3, 4)], {"shape": (6, 4)}),
        Example([f32(4)], {"shape": (2, 1, 2)}),
        Example([f32(1, 1)], {"shape": ()}),
        Example([q8(2, 6)], {"shape": (3, 4)}, integers()),
        Example([i32(6)], {"shape": (2, 3)}, differentiable=()),
        Example([b1(3, 5)], {"shape": (15,)}, differentiable=()),
    ],
)

OPS = (RESHAPE,)

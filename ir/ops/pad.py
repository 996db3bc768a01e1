"""pad(x): a constant before and after the elements of each axis."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.quantized_samples import q8, q16
from gradlet.ir.tensor_type import DType, TensorType, f32
from gradlet.ir.windows import integers


def _amounts(attrs: Attrs, rank: int) -> list[tuple[int, int]]:
    """(before, after) of each axis."""
    return list(zip(integers(attrs, "before", rank, 0), integers(attrs, "after", rank, 0), strict=True))


def _check_value(value: float, x: TensorType) -> None:
    """Raises ValueError for a value that elements of an integer type cannot have."""
    if not x.dtype.is_float and x.dtype is not DType.B1:
        limits = np.iinfo(x.dtype.value)
        if value not in range(limits.min, limits.max + 1):
            raise ValueError(f"{x} has no element {value}")


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    (x,) = types
    amounts = _amounts(attrs, len(x.shape))
    _check_value(attrs.get("value", 0.0), x)
    return [x.with_shape(*(before + size + after for size, (before, after) in zip(x.shape, amounts, strict=True)))]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    (x,) = args
    return [np.pad(x, _amounts(attrs, x.ndim), constant_values=attrs.get("value", 0.0))]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    (g,), shape = grads, node.inputs[0].type.shape
    assert g is not None
    for axis, (before, after) in enumerate(_amounts(node.attrs, len(shape))):
        if before or after:
            g = emit("slice", g, axis=axis, begin=before, end=before + shape[axis])
    return [g]


PAD = OpDef(
    name="pad",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    examples=[
        Example([f32(2, 3)], {"before": (1, 0), "after": (0, 2)}),
        Example([f32(1, 3, 2, 4)], {"before": (0, 1, 2, 0), "after": (0, 0, 1, 0), "value": -1.5}),
        Example([f32(2, 1, 3)], {"before": (0, 0, 0), "after": (0, 0, 0)}),
        Example([f32(2, 2, 1, 2, 3)], {"before": (1, 0, 2, 0, 1), "after": (0, 1, 0, 0, 2), "value": 0.25}),
        Example([q8(2, 3, 2, 5, zero=-7)], {"before": (0, 1, 2, 0), "after": (0, 0, 1, 0), "value": -7.0}),
        Example([q8(3, 1)], {"before": (0, 1), "after": (1, 2), "value": 127.0}),
        Example([q16(3, 1, 2)], {"before": (0, 1, 0), "after": (1, 2, 0)}),
    ],
)

OPS = (PAD,)

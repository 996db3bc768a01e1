"""full(shape, value, dtype=float32): a tensor of one constant."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import Example, OpDef
from gradlet.ir.tensor_type import DType, TensorType


def _type(attrs: Attrs) -> TensorType:
    return TensorType(DType(attrs.get("dtype", "float32")), tuple(attrs["shape"]))


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 0)
    return [_type(attrs)]


FULL = OpDef(
    name="full",
    infer=_infer,
    evaluate=lambda args, attrs: [np.full(attrs["shape"], attrs["value"], _type(attrs).dtype.numpy)],
    examples=[
        Example([], {"shape": (2, 3), "value": 0.25}, differentiable=()),
        Example([], {"shape": (), "value": 1}, differentiable=()),
        Example([], {"shape": (5,), "value": -7, "dtype": "int32"}, differentiable=()),
        Example([], {"shape": (5,), "value": -30000, "dtype": "int16"}, differentiable=()),
        Example([], {"shape": (11,), "value": 1, "dtype": "b1"}, differentiable=()),
    ],
)

OPS = (FULL,)

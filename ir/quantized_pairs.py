"""What ops on two quantised tensors with scales of their own share: broadcasting, zero points, the clamp at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlet.ir.broadcasting import broadcast_shape
from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import Arrays, Example
from gradlet.ir.quantized_samples import i8, integers, q8, q16
from gradlet.ir.requantize import check_activations, check_quantized, check_scales, with_mask
from gradlet.ir.tensor_type import TensorType


def check_pair(types: Sequence[TensorType], attrs: Attrs) -> None:
    """Of the operands, `x1_scale`, `x1_zero`, `x2_scale`, `x2_zero`, `y_scale`, and what `check_activations` wants."""
    check_count(types, 2)
    check_activations(types, attrs, "x1_zero", "x2_zero", "y_zero")
    check_scales(attrs, "x1_scale", "x2_scale", "y_scale")


def infer_pair(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    """The type rule of an op that treats every pair of elements alike."""
    check_pair(types, attrs)
    return with_mask(broadcast_shape(types), attrs)


def infer_int8_pair(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    """The same for an op that has no form on int16."""
    for type_ in types:
        check_quantized(type_, "operand")
    return infer_pair(types, attrs)


def is_smooth(args: Arrays) -> bool:
    """Whether the straight-through surrogate is asked for."""
    return any(a.dtype.kind == "f" for a in args)


def without_zeros(args: Arrays, attrs: Attrs) -> tuple[np.ndarray, np.ndarray]:
    """The operands less their zero points: int64, or float64 for the surrogate."""
    kind = np.float64 if is_smooth(args) else np.int64
    return args[0].astype(kind) - attrs["x1_zero"], args[1].astype(kind) - attrs["x2_zero"]


def pair_examples(quiet: dict[str, Any], loud: dict[str, Any]) -> list[Example]:
    """Shapes and roundings: `quiet` stays within int8, `loud` has a mask and reaches beyond."""
    twice, once = {"rounding": "double_rounding"}, {"rounding": "single_rounding"}
    return [
        Example([q8(2, 3, 4, 5), q8(2, 3, 4, 5)], quiet, integers(), (0, 1)),
        Example([q8(1, 3, 3, 9), q8(1, 3, 3, 9)], loud, integers(), (0, 1)),
        Example([q8(7), q8(7)], loud, integers(), (0, 1)),
        Example([q8(2, 3, 4, 5), q8(2, 1, 1, 5)], loud, integers(), (0, 1)),
        Example([q8(9), q8(2, 1, 3, 9)], quiet, integers(), (0, 1)),
        Example([q8(2, 1, 3, 1), q8(1, 4, 3, 11)], quiet, integers(), (0, 1)),
        Example([q8(2, 3), q8(1)], loud, integers(), (0, 1)),
        Example([i8(1, 3, 4, 5), i8(1, 3, 4, 5)], loud | twice, integers(), ()),
        Example([i8(1, 3, 4, 5), i8(1, 3, 4, 5)], quiet | once, integers(), ()),
        Example([i8(2, 3, 4, 5), i8(3, 1, 1)], quiet | twice, integers(), ()),
    ]


def sixteen_bits(quiet: dict[str, Any], loud: dict[str, Any]) -> list[Example]:
    """Shapes and ends of results with int16."""
    zeros = {"bits": 16, "x1_zero": 0, "x2_zero": 0, "y_zero": 0}
    ends = {"y_min": -20001, "y_max": 30000}
    return [
        Example([q16(2, 3, 4, 5), q16(2, 3, 4, 5)], quiet | zeros, integers(), (0, 1)),
        Example([q16(2, 3, 4, 5), q16(2, 1, 1, 5)], loud | zeros | ends, integers(), (0, 1)),
        Example([q16(9), q16(2, 1, 3, 9)], loud | zeros, integers(), (0, 1)),
    ]

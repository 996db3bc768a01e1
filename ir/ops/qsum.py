"""qsum(x) and qmean(x): the sum and the mean over some axes of an int8 or int16 tensor, requantised.

TFLite scales a mean in integers, and a sum in floats, which it rounds half away from zero.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlet.ir.axes import axes_of, reduced_shape
from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.quantized_linear import asked_mask, without_mask
from gradlet.ir.quantized_samples import i8, integers, q8, q16
from gradlet.ir.requantize import (
    check_activations,
    check_scales,
    finished,
    multiply_fixed,
    quantize_multiplier,
    round_half_away,
    rounding,
    with_mask,
)
from gradlet.ir.tensor_type import TensorType

# Bits -> how many numbers, less their zero points, have a sum that int32 holds.
MOST = {8: (2**31 - 1) // 255, 16: 2**16 - 1}


def count_of(shape: Sequence[int], attrs: Attrs) -> int:
    """How many elements each result is made of."""
    return math.prod(shape[a] for a in axes_of(attrs, len(shape)))


def factor(op: str, shape: Sequence[int], attrs: Attrs) -> float:
    """What sums of integers are multiplied with, in float64; `shape` is that of x."""
    ratio = float(attrs["x_scale"] / attrs["y_scale"])
    return ratio / count_of(shape, attrs) if op == "qmean" else ratio


def mean_multiplier(shape: Sequence[int], attrs: Attrs) -> tuple[int, int]:
    """(mantissa, shift): TFLite divides the mantissa of the ratio by the count, and cuts off."""
    mantissa, shift = quantize_multiplier(attrs["x_scale"] / attrs["y_scale"])
    count = count_of(shape, attrs)
    more = min(count.bit_length() - 1, 32, 31 + shift)
    return (mantissa << more) // count, shift - more


def sum_line(shape: Sequence[int], attrs: Attrs) -> tuple[np.float32, np.float32]:
    """(scale, bias) of TFLite's sums: `sum(x) * scale + bias`, each operation rounded to float32."""
    scale = np.float32(attrs["x_scale"]) / np.float32(attrs["y_scale"])
    return scale, np.float32(-attrs["x_zero"]) * scale * np.float32(count_of(shape, attrs))


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    check_activations(types, attrs, "x_zero", "y_zero")
    check_scales(attrs, "x_scale", "y_scale")
    count = count_of(types[0].shape, attrs)
    if count > MOST[attrs.get("bits", 8)]:
        raise ValueError(f"sums of {count} numbers may exceed int32")
    return with_mask(reduced_shape(types[0], attrs), attrs)


_SIXTEEN = {"bits": 16, "x_zero": 0, "y_zero": 0}
_ENDS = {"y_min": 0, "y_max": 5000}
# Many results lie in the middle between two integers.
_HALVES = {"x_scale": 0.5, "y_scale": 1.0}


def _op(name: str, quiet: dict[str, Any], loud: dict[str, Any]) -> OpDef:
    def evaluate(args: Arrays, attrs: Attrs) -> Results:
        (x,), kind = args, rounding(attrs)
        smooth = x.dtype.kind == "f"
        less = x.astype(np.float64 if smooth else np.int64) - attrs["x_zero"]
        sums = less.sum(axis=axes_of(attrs, x.ndim), keepdims=attrs.get("keepdims", False))
        if smooth:
            r = sums * factor(name, x.shape, attrs)
        elif kind == "float":
            r = np.rint(sums.astype(np.float32) * np.float32(factor(name, x.shape, attrs)))
        elif name == "qsum":
            scale, bias = sum_line(x.shape, attrs)
            stored = sums + count_of(x.shape, attrs) * attrs["x_zero"]
            r = round_half_away(stored.astype(np.float32) * scale + bias)
        else:
            mantissa, shift = mean_multiplier(x.shape, attrs)
            r = multiply_fixed(sums, np.array(mantissa), np.array(shift), kind)
        return finished(r, attrs, smooth)

    def gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
        assert grads[0] is not None
        x = node.inputs[0].type
        by = factor(name, x.shape, node.attrs)
        g = emit("rescale_gradient", grads[0], asked_mask(emit, node), mask=True, factor=by)
        shape = reduced_shape(x, {**node.attrs, "keepdims": True})
        g = g if g.type.shape == shape else emit("reshape", g, shape=shape)
        return [g if shape == x.shape else emit("broadcast_to", g, shape=x.shape)]

    twice, once = {"rounding": "double_rounding"}, {"rounding": "single_rounding"}
    return OpDef(
        name=name,
        infer=_infer,
        evaluate=evaluate,
        gradient=gradient,
        inference=without_mask,
        examples=[
            Example([q8(2, 5, 4, 11)], quiet | {"axis": (1, 2)}, integers()),
            Example([q8(2, 5, 4, 11)], loud | {"axis": (1, 3), "keepdims": True}, integers()),
            Example([q8(3, 4)], loud | {"axis": (-1,)}, integers()),
            Example([q8(3, 9)], quiet | {"axis": (0, 1)}, integers()),
            Example([i8(7, 50)], loud | twice | {"axis": (0,)}, integers(), ()),
            Example([i8(2, 3, 4, 5, 6)], quiet | twice | {"axis": (0, 2, 4)}, integers(), ()),
            Example([i8(40, 7)], quiet | once | {"axis": (1,)}, integers(), ()),
            Example([i8(90, 3)], quiet | twice | _HALVES | {"axis": (1,)}, integers(), ()),
            Example([q16(2, 5, 4, 11)], quiet | _SIXTEEN | {"axis": (1, 2)}, integers()),
            Example([q16(3, 19)], loud | _SIXTEEN | _ENDS | {"axis": (1,), "y_scale": 0.2}, integers()),
        ],
    )


QUANT = {"x_scale": 0.05, "x_zero": -3, "y_scale": 0.9, "y_zero": 10}
FINE = QUANT | {"y_scale": 0.043}

OPS = (
    _op("qsum", QUANT, FINE | {"mask": True}),
    _op("qmean", FINE, QUANT | {"y_scale": 0.0071, "mask": True}),
)

"""fake_quantize(x, scale): what integers of few bits would give back, in floats; the gradient goes straight through."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.axes import axis_of
from gradlet.ir.elementwise import check_count, check_float
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.quantized_linear import asked_mask, without_mask
from gradlet.ir.tensor_type import TensorType, b1, f32


def limits(attrs: Attrs) -> tuple[int, int]:
    """The smallest and the largest multiple of the scale; raises ValueError for attributes that name none.

    Attributes:
        bits: Of the integers, which are signed; 8 by default.
        zero_point: The integer that stands for 0, 0 by default.
        narrow: Without the smallest integer, as weights are.
    """
    bits, zero = attrs.get("bits", 8), attrs.get("zero_point", 0)
    if not isinstance(bits, int) or not 2 <= bits <= 16:
        raise ValueError(f"bits is {bits}, not an integer from 2 to 16")
    low, high = -(1 << (bits - 1)) + bool(attrs.get("narrow", False)), (1 << (bits - 1)) - 1
    if not isinstance(zero, int) or not low <= zero <= high:
        raise ValueError(f"zero_point is {zero}, not an integer from {low} to {high}")
    return low - zero, high - zero


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 2)
    x, scale = types
    check_float(x, scale)
    limits(attrs)
    wanted = (x.shape[axis_of(attrs, len(x.shape))],) if "axis" in attrs else ()
    if scale.shape != wanted:
        raise ValueError(f"scale {scale} is not of shape {list(wanted)}")
    return [x, b1(*x.shape)] if attrs.get("mask") else [x]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    x, scale = args
    low, high = limits(attrs)
    if "axis" in attrs:
        axis = axis_of(attrs, x.ndim)
        scale = scale.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    steps = np.rint(x / scale)
    y = np.clip(steps, low, high) * scale
    return [y, (steps >= low) & (steps <= high)] if attrs.get("mask") else [y]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("masked", grads[0], asked_mask(emit, node)), None]


def _sample(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Numbers on both sides of the limits; scales of few bits, whose multiples float32 holds exactly."""
    x, scale = types
    scales = rng.integers(20, 80, scale.shape) / 4096
    return [rng.normal(size=x.shape).astype(np.float32), np.asarray(scales, np.float32)]


def _fine(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """The same for 16 bits."""
    x, scale = _sample(types, rng)
    return [x, np.asarray(scale / 256, np.float32)]


FAKE_QUANTIZE = OpDef(
    name="fake_quantize",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    may_overwrite={0: (0,)},
    inference=without_mask,
    examples=[
        Example([f32(2, 3, 4, 5), f32()], {"zero_point": -20}, _sample),
        Example([f32(9), f32()], {"zero_point": -128, "mask": True}, _sample),
        Example([f32(4, 3, 3, 2), f32(4)], {"axis": 0, "narrow": True}, _sample),
        Example([f32(3, 3, 7), f32(7)], {"axis": 2, "narrow": True, "mask": True}, _sample),
        Example([f32(3, 7), f32(7)], {"axis": -1, "bits": 4, "zero_point": 3}, _sample),
        Example([f32(40), f32()], {"bits": 16, "mask": True}, _fine),
    ],
)

OPS = (FAKE_QUANTIZE,)

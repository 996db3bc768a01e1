"""quantize, dequantize and requantize: between floats and int8 or int16, and between scales of these."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import check_count, check_float, slices
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.quantized_linear import asked_mask, without_mask
from gradlet.ir.quantized_samples import integers, q8, q16
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
from gradlet.ir.tensor_type import DType, TensorType, f32

_HIGHEST_UNSIGNED = 255


def _target(attrs: Attrs) -> Attrs:
    """The attributes as those of an op whose result is y."""
    return {**attrs, "y_scale": attrs["scale"], "y_zero": attrs["zero_point"]}


def _infer_quantize(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    check_float(types[0])
    check_scales(attrs, "scale")
    check_activations((), attrs, "zero_point")
    return with_mask(types[0].shape, _target(attrs))


def _evaluate_quantize(args: Arrays, attrs: Attrs) -> Results:
    (x,) = args
    quotient = x / x.dtype.type(attrs["scale"])
    nearest = np.rint if rounding(attrs) == "float" else round_half_away
    return finished(nearest(quotient), _target(attrs), smooth=False)


def _gradient_quantize(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("rescale_gradient", grads[0], asked_mask(emit, node), mask=True, factor=1 / node.attrs["scale"])]


def _infer_dequantize(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    check_scales(attrs, "scale")
    check_activations(types, attrs, "zero_point")
    return [f32(*types[0].shape)]


def _evaluate_dequantize(args: Arrays, attrs: Attrs) -> Results:
    (x,) = args
    kind = x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)
    return [(x.astype(kind) - kind.type(attrs["zero_point"])) * kind.type(attrs["scale"])]


def _gradient_dequantize(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    return [emit("scale", grads[0], factor=node.attrs["scale"])]


def _check_unsigned(zero: object) -> None:
    if not isinstance(zero, int) or not 0 <= zero <= _HIGHEST_UNSIGNED:
        raise ValueError(f"x_zero is {zero}, not a uint8")


def _infer_requantize(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    if types[0].dtype is DType.U8:
        _check_unsigned(attrs.get("x_zero"))
        check_activations((), attrs, "y_zero")
    else:
        check_activations(types, attrs, "x_zero", "y_zero")
    check_scales(attrs, "x_scale", "y_scale")
    return with_mask(types[0].shape, attrs)


def _evaluate_requantize(args: Arrays, attrs: Attrs) -> Results:
    (x,), factor = args, attrs["x_scale"] / attrs["y_scale"]
    smooth, kind = x.dtype.kind == "f", rounding(attrs)
    if smooth:
        r = (x - attrs["x_zero"]) * factor
    elif kind == "float":
        r = np.rint((x.astype(np.float32) - np.float32(attrs["x_zero"])) * np.float32(factor))
    else:
        mantissa, shift = quantize_multiplier(factor)
        r = multiply_fixed(x.astype(np.int64) - attrs["x_zero"], np.array(mantissa), np.array(shift), kind)
    return finished(r, attrs, smooth)


def _gradient_requantize(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    factor = node.attrs["x_scale"] / node.attrs["y_scale"]
    return [emit("rescale_gradient", grads[0], asked_mask(emit, node), mask=True, factor=factor)]


def _pixels(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.integers(0, _HIGHEST_UNSIGNED + 1, t.shape).astype(np.uint8) for t in types]


IMAGE = {"scale": 1 / 127.5, "zero_point": 0}
COARSE = {"scale": 0.04, "zero_point": -20, "mask": True}
LOUDER = {"x_scale": 0.05, "x_zero": -3, "y_scale": 0.03, "y_zero": 9, "mask": True}
PIXELS = {"x_scale": 1 / 255, "x_zero": 0, "y_scale": 1 / 255, "y_zero": -128}
QUIETER = {"x_scale": 0.011, "x_zero": 100, "y_scale": 0.03, "y_zero": -100}

_SIXTEEN = {"bits": 16, "x_zero": 0, "y_zero": 0}
_WIDE = {"bits": 16, "scale": 1e-4, "zero_point": 0}

QUANTIZE = OpDef(
    name="quantize",
    infer=_infer_quantize,
    evaluate=_evaluate_quantize,
    gradient=_gradient_quantize,
    inference=without_mask,
    examples=[
        Example([f32(2, 3, 4, 5)], COARSE, differentiable=()),
        Example([f32(7)], IMAGE, differentiable=()),
        Example([f32(3, 5)], COARSE | {"rounding": "double_rounding"}, differentiable=()),
        Example([f32(2, 3, 4, 5)], _WIDE | {"mask": True}, differentiable=()),
        Example([f32(19)], _WIDE | {"scale": 3e-5}, differentiable=()),
    ],
)

DEQUANTIZE = OpDef(
    name="dequantize",
    infer=_infer_dequantize,
    evaluate=_evaluate_dequantize,
    gradient=_gradient_dequantize,
    slices=slices,
    examples=[
        Example([q8(2, 9)], {"scale": 0.04, "zero_point": -20}, integers()),
        Example([q8(1, 2, 3)], IMAGE, integers()),
        Example([q16(3, 7)], _WIDE, integers()),
    ],
)

REQUANTIZE = OpDef(
    name="requantize",
    infer=_infer_requantize,
    evaluate=_evaluate_requantize,
    gradient=_gradient_requantize,
    inference=without_mask,
    may_overwrite={0: (0,)},
    examples=[
        Example([q8(2, 3, 4, 5)], LOUDER, integers()),
        Example([q8(9)], QUIETER, integers()),
        Example([TensorType(DType.U8, (3, 50))], PIXELS | {"rounding": "double_rounding"}, _pixels, ()),
        Example([TensorType(DType.U8, (150,))], LOUDER | {"x_zero": 200}, _pixels, ()),
        Example([q8(4, 7)], LOUDER | {"rounding": "double_rounding"}, integers(), ()),
        Example([q8(4, 7)], QUIETER | {"rounding": "single_rounding"}, integers(), ()),
        Example([q16(4, 7)], LOUDER | _SIXTEEN, integers()),
        Example([q16(9)], QUIETER | _SIXTEEN | {"y_min": 0, "y_max": 6000, "mask": True}, integers()),
    ],
)

OPS = (QUANTIZE, DEQUANTIZE, REQUANTIZE)

"""qlookup(x; function): any function of one quantised value, as a table that the attributes make; its gradient.

The table has all results for int8. For int16 it has every 128th; between them lie straight lines.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlet.ir import interpolated
from gradlet.ir.elementwise import check_count, slices
from gradlet.ir.gradient_epilogue import LIMITS, arrays_of, finish, infer_result, types_of
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.int8_functions import FUNCTIONS, VALUES, slope_table, slopes, smooth, table
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.ops.rescale_gradient import ALL, I8, I16
from gradlet.ir.quantized_samples import i8, i16, integers, q8, q16
from gradlet.ir.requantize import LOWEST, check_activations, check_scales, rounding, with_mask
from gradlet.ir.tensor_type import DType, TensorType, b1, f32


def _check(x: TensorType, attrs: Attrs) -> None:
    check_activations([x], attrs, "x_zero", "y_zero")
    check_scales(attrs, "x_scale", "y_scale")
    if attrs.get("function") not in FUNCTIONS:
        raise ValueError(f"function {attrs.get('function')!r} is none of {', '.join(FUNCTIONS)}")
    try:
        FUNCTIONS[attrs["function"]].check(attrs)
    except KeyError as missing:
        raise ValueError(f"{attrs['function']} without {missing}") from missing


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    _check(types[0], attrs)
    if rounding(attrs) != "float":
        table(attrs)
    return with_mask(types[0].shape, {**attrs, "mask": False})


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    (x,) = args
    if x.dtype.kind == "f":
        return [smooth(x, attrs)]
    if x.dtype == np.int16:
        return [interpolated.evaluate(x, attrs)]
    return [table(attrs)[x.astype(np.int64) - LOWEST]]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    attrs = {k: v for k, v in node.attrs.items() if k != "rounding"}
    # What repeats a gradient, as that of a mean does, is merged into this, so that it is repeated in integers.
    g = emit("rescale_gradient", grads[0])
    return [emit("qlookup_input_grad", g, node.inputs[0], **attrs)]


def _infer_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    found = types_of(types, attrs, 1)
    (x,) = found.own
    _check(x, attrs)
    if found.g.dtype not in (DType.F32, *LIMITS) or found.g.shape != x.shape:
        raise ValueError(f"gradient {found.g} is not f32, i8 or i16 of shape {list(x.shape)}")
    return infer_result(found, x.shape, attrs)


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    found = arrays_of(args, attrs, 1)
    kind = found.g.dtype if found.g.dtype.kind == "f" else np.dtype(np.float32)
    (x,) = found.own
    return finish(found.g.astype(kind) * _slopes_at(x, attrs).astype(kind), found, attrs)


def _slopes_at(x: np.ndarray, attrs: Attrs) -> np.ndarray:
    if x.dtype.kind == "f":
        return slopes(x, attrs)
    if x.dtype == np.int16:
        found: np.ndarray = interpolated.slope_table(attrs)[interpolated.segment(x)]
    else:
        found = slope_table(attrs)[x.astype(np.int64) - LOWEST]
    return found


def _every(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """As `integers` draws, but for x, the last tensor of int8: it holds all values."""
    drawn = integers()(types, rng)
    last = max(k for k, t in enumerate(types) if t.dtype is DType.I8)
    drawn[last] = VALUES.astype(np.int8).reshape(types[last].shape)
    return drawn


def _ends(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """As `integers` draws; x begins with the ends of int16 and what lies around 0 and the places of entries."""
    drawn = integers()(types, rng)
    x = next(a for a, t in zip(drawn[::-1], types[::-1], strict=True) if t.dtype is DType.I16)
    x.flat[: len(_EDGES)] = _EDGES
    return drawn


_SCALES = {"x_scale": 0.05, "x_zero": -3, "y_scale": 0.03, "y_zero": 9}
_ALL_VALUES = [q8(VALUES.size, zero=-3)]
# Neither the kinks of these nor the ends of int8 lie on an integer.
_SMOOTH: Sequence[dict[str, Any]] = (
    {"function": "sigmoid", "y_scale": 1 / 256, "y_zero": -128},
    {"function": "tanh", "y_scale": 1 / 128, "y_zero": 0},
    {"function": "elu", "alpha": 1.0},
    {"function": "gelu"},
    {"function": "gelu", "approximate": True},
    {"function": "silu"},
    {"function": "neg"},
    {"function": "exp", "y_zero": -128},
    {"function": "clip", "lo": -0.51, "hi": 1.23},
)
_KINKED: Sequence[dict[str, Any]] = (
    {"function": "abs"},
    {"function": "elu", "alpha": 0.7},
    {"function": "hard_swish"},
    {"function": "leaky_relu", "alpha": 0.1},
    {"function": "log"},
    {"function": "sqrt"},
    {"function": "rsqrt", "y_scale": 0.01},
    {"function": "clip", "lo": 0.0, "hi": float("inf")},
)
# int16 has 256 times as many steps; the slope of the surrogate is that of the function, not of the lines.
_SIXTEEN = {"bits": 16, "x_scale": 0.05 / 256, "x_zero": 0, "y_scale": 0.03 / 256, "y_zero": 0}
_EDGES = (-32768, -32767, -32641, -32640, -129, -128, -1, 0, 1, 127, 128, 32639, 32640, 32767)
_TFLITE = {"rounding": "double_rounding"}
_ALL_KINDS = (*_SMOOTH, *_KINKED)

QLOOKUP = OpDef(
    name="qlookup",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    may_overwrite={0: (0,)},
    slices=slices,
    examples=[
        Example([q8(2, 3, 4, 5)], _SCALES | _SMOOTH[0], integers(), ()),
        *(Example(_ALL_VALUES, _SCALES | kind, _every) for kind in _SMOOTH),
        *(Example(_ALL_VALUES, _SCALES | kind, _every, ()) for kind in _KINKED),
        *(Example(_ALL_VALUES, _SCALES | kind | _TFLITE, _every, ()) for kind in _ALL_KINDS),
        *(Example([q16(5, 70)], _SCALES | kind | _SIXTEEN, _ends) for kind in _SMOOTH),
        *(Example([q16(350)], _SCALES | kind | _SIXTEEN, _ends, ()) for kind in _KINKED),
    ],
)

_N = VALUES.size
_ROWS = (3, 1, 85)

QLOOKUP_INPUT_GRAD = OpDef(
    name="qlookup_input_grad",
    infer=_infer_grad,
    evaluate=_evaluate_grad,
    epilogue=lambda attrs: 1,
    writes={1: -1},
    examples=[
        *(Example([f32(1, _N), i8(1, _N)], _SCALES | kind, _every, ()) for kind in _ALL_KINDS),
        Example([f32(1, _N), i8(1, _N), f32(2)], _SCALES | _SMOOTH[0] | I8 | {"factor": 0.3}, _every, ()),
        Example([i8(1, _N), f32(2), i8(1, _N), f32(2)], _SCALES | _SMOOTH[3] | I8, _every, ()),
        Example([i16(1, _N), f32(2), i8(1, _N), f32(2)], _SCALES | _KINKED[1] | I16, _every, ()),
        Example([i8(1, _N), f32(2), i8(1, _N)], _SCALES | _KINKED[0], _every, ()),
        Example(
            [i8(*_ROWS), f32(2), i8(*_ROWS), b1(*_ROWS), f32(85), i8(*_ROWS), f32(2), f32(2)],
            _SCALES | _SMOOTH[1] | I8 | ALL,
            integers(0.01, (3.0, 0.5)),
            (),
        ),
        *(Example([f32(7, 50), i16(7, 50)], _SCALES | kind | _SIXTEEN, _ends, ()) for kind in _ALL_KINDS),
        Example([i8(350), f32(2), i16(350), f32(2)], _SCALES | _SMOOTH[1] | _SIXTEEN | I8, _ends, ()),
    ],
)

OPS = (QLOOKUP, QLOOKUP_INPUT_GRAD)

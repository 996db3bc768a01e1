"""qmatmul(x1, x2): the product, as matmul, of two int8 or int16 tensors of any scales, requantised; its gradients."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.gradient_epilogue import LIMITS, arrays_of, finish, infer_result, types_of
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.ops.matmul import MATMUL
from gradlet.ir.ops.rescale_gradient import ALL, I8, I16
from gradlet.ir.quantized_linear import asked_mask, without_mask
from gradlet.ir.quantized_pairs import check_pair, is_smooth, without_zeros
from gradlet.ir.quantized_samples import i8, i16, integers, q8, q16
from gradlet.ir.requantize import (
    DTYPES,
    check_quantized,
    check_zero_points,
    finished,
    multiply_fixed,
    quantize_multiplier,
    rounding,
    with_mask,
)
from gradlet.ir.tensor_type import DType, TensorType, b1, f32

_BOTH = (0, 1)


def factor(attrs: Attrs) -> float:
    """What sums of products of integers are multiplied with, in float64."""
    return float(attrs["x1_scale"] * attrs["x2_scale"] / attrs["y_scale"])


def depth(x1: TensorType, attrs: Attrs) -> int:
    """How many products a result is the sum of."""
    return x1.shape[-2 if attrs.get("transpose_a", False) else -1]


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_pair(types, attrs)
    (y,) = MATMUL.infer([f32(*t.shape) for t in types], attrs)
    if types[0].dtype is DType.I8 and depth(types[0], attrs) * 255 * 255 >= 2**31:
        raise ValueError(f"sums of {depth(types[0], attrs)} products may exceed int32")
    return with_mask(y.shape, attrs)


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    kind = rounding(attrs)
    # float64 holds the sums exactly.
    (sums,) = MATMUL.evaluate([x.astype(np.float64) for x in without_zeros(args, attrs)], attrs)
    if is_smooth(args):
        r = sums * factor(attrs)
    elif kind == "float":
        r = np.rint(sums.astype(np.float32) * np.float32(factor(attrs)))
    else:
        mantissa, shift = quantize_multiplier(factor(attrs))
        r = multiply_fixed(sums.astype(np.int64), np.array(mantissa), np.array(shift), kind)
    return finished(r, attrs, is_smooth(args))


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    (x1, x2), attrs = node.inputs, node.attrs
    g = emit("rescale_gradient", grads[0], asked_mask(emit, node), mask=True)
    kept = {k: attrs[k] for k in ("transpose_a", "transpose_b") if k in attrs} | {"factor": factor(attrs)}
    return [
        emit("qmatmul_input_grad", g, x2, of=0, shape=x1.type.shape, zero_point=attrs["x2_zero"], **kept),
        emit("qmatmul_input_grad", g, x1, of=1, shape=x2.type.shape, zero_point=attrs["x1_zero"], **kept),
    ]


def letters(attrs: Attrs) -> tuple[str, str, str]:
    """(last two axes of the operand, of the other one, the one that is summed over), where y is m by n."""
    a, b = "km" if attrs.get("transpose_a", False) else "mk", "nk" if attrs.get("transpose_b", False) else "kn"
    return (a, b, "n") if attrs["of"] == 0 else (b, a, "m")


def _infer_grad(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    found, shape = types_of(types, attrs, 1), tuple(attrs["shape"])
    if found.g.dtype not in (DType.F32, *LIMITS) or attrs["of"] not in (0, 1):
        raise ValueError(f"gradient {found.g} is not f32, i8 or i16, or of is {attrs['of']}")
    check_quantized(found.own[0], "x", DTYPES.values())
    check_zero_points(attrs, "zero_point")
    pair = [f32(*shape), f32(*found.own[0].shape)]
    (y,) = MATMUL.infer(pair if attrs["of"] == 0 else pair[::-1], attrs)
    if y.shape != found.g.shape:
        raise ValueError(f"{found.g} is no gradient of the product {y}")
    return infer_result(found, shape, attrs)


def _evaluate_grad(args: Arrays, attrs: Attrs) -> Results:
    found = arrays_of(args, attrs, 1)
    # float64 holds sums of integers exactly.
    kind = np.dtype(np.float64) if found.unit is not None else found.g.dtype
    own, other, _ = letters(attrs)
    x = found.own[0].astype(kind) - kind.type(attrs["zero_point"])
    sums = np.einsum(f"...mn,...{other}->...{own}", found.g.astype(kind), x)
    sums = sums.sum(axis=tuple(range(sums.ndim - len(attrs["shape"]))))
    return finish(sums if found.unit is None else sums.astype(np.int64), found, attrs)


def _macs_grad(node: Node) -> int:
    k = letters(node.attrs)[0].index("k")
    return node.inputs[0].type.size * int(node.attrs["shape"][-2:][k])


QUANT = {"x1_scale": 0.05, "x1_zero": -3, "x2_scale": 0.03, "x2_zero": 10, "y_scale": 0.9, "y_zero": -7}
LOUD = QUANT | {"y_scale": 0.0613, "mask": True}
_TWICE, _ONCE = {"rounding": "double_rounding"}, {"rounding": "single_rounding"}
_SIXTEEN = {"bits": 16, "x1_zero": 0, "x2_zero": 0, "y_zero": 0}
_A, _B = {"transpose_a": True}, {"transpose_b": True}

QMATMUL = OpDef(
    name="qmatmul",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    macs=MATMUL.macs,
    inference=without_mask,
    examples=[
        Example([q8(5, 9), q8(9, 7)], QUANT, integers(), _BOTH),
        Example([q8(2, 9, 5), q8(9, 7)], LOUD | _A, integers(), _BOTH),
        Example([q8(2, 5, 9), q8(7, 9)], LOUD | _B, integers(), _BOTH),
        Example([q8(9, 5), q8(3, 7, 9)], QUANT | _A | _B, integers(), _BOTH),
        Example([q8(3, 2, 5, 9), q8(3, 2, 9, 7)], QUANT, integers(), _BOTH),
        Example([i8(2, 5, 33), i8(2, 33, 7)], LOUD | _TWICE, integers(), ()),
        Example([i8(5, 33), i8(7, 33)], QUANT | _B | _ONCE, integers(), ()),
        Example([q16(2, 5, 9), q16(7, 9)], QUANT | _SIXTEEN | _B | {"y_scale": 200.0}, integers(), _BOTH),
        Example([q16(40, 5), q16(3, 40, 7)], LOUD | _SIXTEEN | _A | {"y_scale": 99.0, "y_min": 0}, integers(), _BOTH),
    ],
)

_SHARED = {"of": 1, "shape": (3, 2, 9, 7)}
_ZERO, _RANGES = {"zero_point": 7, "factor": 0.3}, integers(0.01, (3.0, 0.5))

# The gradient of operand `of`: the sum of products of g with the other one, also over a batch that shares the operand.
QMATMUL_INPUT_GRAD = OpDef(
    name="qmatmul_input_grad",
    infer=_infer_grad,
    evaluate=_evaluate_grad,
    macs=_macs_grad,
    epilogue=lambda attrs: 1,
    writes={1: -1},
    examples=[
        Example([f32(5, 7), i8(9, 7)], _ZERO | {"of": 0, "shape": (5, 9)}, integers(), ()),
        Example([f32(2, 5, 7), i8(2, 9, 5)], _ZERO | _A | _B | {"of": 1, "shape": (7, 9)}, integers(), ()),
        Example([i8(2, 5, 7), f32(2), i8(9, 7), f32(2)], I8 | _ZERO | _A | {"of": 0, "shape": (2, 9, 5)}, _RANGES, ()),
        Example([i8(2, 5, 7), f32(2), i8(2, 7, 9), f32(2)], I8 | _ZERO | _B | {"of": 0, "shape": (5, 9)}, _RANGES, ()),
        Example([i16(3, 2, 5, 7), f32(2), i8(3, 2, 5, 9), f32(2)], I16 | _ZERO | _SHARED, _RANGES, ()),
        Example([f32(5, 7), i16(9, 7)], {"zero_point": 0, "of": 0, "shape": (5, 9)}, integers(), ()),
        Example([i8(3, 2, 5, 7), f32(2), i16(3, 2, 5, 9), f32(2)], I8 | {"zero_point": 0} | _SHARED, _RANGES, ()),
        Example([i16(3, 2, 5, 7), f32(2), i16(3, 2, 5, 9)], {"zero_point": 0} | _SHARED, _RANGES, ()),
        Example(
            [i8(2, 5, 7), f32(2), i8(2, 5, 9), b1(7, 9), f32(9), i8(7, 9), f32(2), f32(2)],
            I8 | ALL | _ZERO | _B | {"of": 1, "shape": (7, 9)},
            _RANGES,
            (),
        ),
    ],
)

OPS = (QMATMUL, QMATMUL_INPUT_GRAD)

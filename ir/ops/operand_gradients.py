"""qadd_input_grad(g), qmul_input_grad(g, x): gradients of an operand, summed along the axes it was repeated along.

The first is the sum of g, the second that of g * (x - zero_point), x being the other operand.
"""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.broadcasting import broadcast_shape
from gradlet.ir.gradient_epilogue import LIMITS, arrays_of, finish, infer_result, types_of
from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import Arrays, Example, OpDef, Results
from gradlet.ir.ops.rescale_gradient import ALL, I8, I16
from gradlet.ir.quantized_samples import i8, i16, integers
from gradlet.ir.requantize import DTYPES, check_quantized, check_zero_points
from gradlet.ir.tensor_type import DType, TensorType, b1, f32


def factors_of(op: str) -> int:
    """How many operands besides the gradient are multiplied with it."""
    return 1 if op == "qmul_input_grad" else 0


def _op(name: str, examples: Sequence[Example]) -> OpDef:
    own = factors_of(name)

    def infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
        found, shape = types_of(types, attrs, own), tuple(attrs["shape"])
        if found.g.dtype not in (DType.F32, *LIMITS):
            raise ValueError(f"gradient {found.g} is not f32, i8 or i16")
        for x in found.own:
            check_quantized(x, "x", DTYPES.values())
            check_zero_points(attrs, "zero_point")
        if broadcast_shape([found.g, *found.own, f32(*shape)]) != found.g.shape:
            raise ValueError(f"{found.g} is no gradient of what an operand of shape {list(shape)} was repeated to")
        return infer_result(found, shape, attrs)

    def evaluate(args: Arrays, attrs: Attrs) -> Results:
        found, shape = arrays_of(args, attrs, own), tuple(attrs["shape"])
        kind = np.dtype(np.int64) if found.unit is not None else found.g.dtype
        products = found.g.astype(kind)
        for x in found.own:
            products = products * (x.astype(kind) - kind.type(attrs["zero_point"]))
        return finish(_summed_to(products, shape), found, attrs)

    return OpDef(
        name=name, infer=infer, evaluate=evaluate, epilogue=lambda attrs: own, writes={1: -1}, examples=examples
    )


def _summed_to(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    extra = x.ndim - len(shape)
    repeated = tuple(a for a in range(x.ndim) if a < extra or shape[a - extra] != x.shape[a])
    total: np.ndarray = np.sum(x, axis=repeated).astype(x.dtype).reshape(shape)
    return total


_ONE, _C = (2, 1, 1, 5), (5,)
_ZERO, _NO_ZERO = {"zero_point": 7}, {"zero_point": 0}
_RANGES = integers(0.01, (3.0, 0.5))

OPS = (
    _op(
        "qadd_input_grad",
        [
            Example([f32(2, 3, 4, 5)], {"shape": _ONE}, integers(), ()),
            Example([i8(2, 3, 4, 5), f32(2), f32(2)], I8 | {"shape": _C, "factor": 0.3}, integers(), ()),
            Example([i16(2, 3, 4), f32(2), f32(2)], I16 | {"shape": (3, 1)}, _RANGES, ()),
            Example([i8(3, 9), f32(2), f32(2)], I8 | {"shape": ()}, _RANGES, ()),
        ],
    ),
    _op(
        "qmul_input_grad",
        [
            Example([f32(2, 3, 4, 5), i8(2, 3, 4, 5)], _ZERO | {"shape": _ONE}, integers(), ()),
            Example([f32(2, 3, 4, 5), i8(5)], _ZERO | {"shape": (2, 3, 4, 5), "factor": 0.01}, integers(), ()),
            Example([i8(2, 3, 4, 5), f32(2), i8(*_ONE), f32(2)], I8 | _ZERO | {"shape": (2, 3, 4, 5)}, integers(), ()),
            Example([i8(2, 3, 4, 5), f32(2), i8(2, 3, 4, 5), f32(2)], I8 | _ZERO | {"shape": _ONE}, _RANGES, ()),
            Example(
                [i16(2, 3, 4, 11), f32(2), i8(3, 1, 11), f32(2)], I16 | _ZERO | {"shape": (2, 1, 4, 1)}, _RANGES, ()
            ),
            Example([i8(7), f32(2), i8(7)], _ZERO | {"shape": ()}, _RANGES, ()),
            Example([f32(2, 3, 4, 5), i16(5)], _NO_ZERO | {"shape": (2, 3, 4, 5), "factor": 1e-5}, integers(), ()),
            Example([i8(2, 3, 9), f32(2), i16(2, 3, 9), f32(2)], I8 | _NO_ZERO | {"shape": (3, 9)}, _RANGES, ()),
            Example([i16(7, 3), f32(2), i16(7, 3)], _NO_ZERO | {"shape": (7, 1)}, _RANGES, ()),
            Example(
                [i8(2, 3, 19), f32(2), i8(2, 3, 19), b1(3, 19), f32(19), i8(3, 19), f32(2), f32(2)],
                I8 | ALL | _ZERO | {"shape": (3, 19)},
                _RANGES,
                (),
            ),
        ],
    ),
)

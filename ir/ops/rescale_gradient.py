"""rescale_gradient(g, ...): a gradient of a quantised value through scale, mask and sum, element by element."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.gradient_epilogue import LIMITS, arrays_of, finish, infer_result, types_of
from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import Arrays, Example, OpDef, Results
from gradlet.ir.quantized_samples import integers
from gradlet.ir.tensor_type import DType, TensorType, b1, f32, i32


def _shape(g: tuple[int, ...], attrs: Attrs) -> tuple[int, ...]:
    """That of the result: g is repeated along axes of extent 1 where the attribute `shape` says so."""
    shape = tuple(attrs.get("shape", g))
    if len(shape) != len(g) or any(n not in (1, m) for n, m in zip(g, shape, strict=True)):
        raise ValueError(f"a gradient of shape {g} cannot be repeated to {shape}")
    return shape


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    found = types_of(types, attrs)
    if found.g.dtype not in (DType.F32, DType.I32, *LIMITS):
        raise ValueError(f"gradient {found.g} is not f32, i8, i16 or i32")
    return infer_result(found, _shape(found.g.shape, attrs), attrs)


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    found = arrays_of(args, attrs)
    g = found.g if found.unit is None else found.g.astype(np.int64)
    return finish(np.broadcast_to(g, _shape(g.shape, attrs)), found, attrs)


def _int(dtype: DType, *shape: int) -> TensorType:
    return TensorType(dtype, shape)


ALL = {"mask": True, "scale": True, "skip": True, "factor": 0.75, "skip_factor": 1.25}
I8 = {"dtype": "int8"}
I16 = {"dtype": "int16"}
_G8 = _int(DType.I8, 1, 3, 4, 5)
_G16 = _int(DType.I16, 1, 3, 4, 5)
_CHANNELS, _MASK = f32(5), b1(1, 3, 4, 5)

RESCALE_GRADIENT = OpDef(
    name="rescale_gradient",
    infer=_infer,
    evaluate=_evaluate,
    writes={1: -1},
    epilogue=lambda attrs: 0,
    examples=[
        Example([f32(2, 3, 4, 5), b1(2, 3, 4, 5), f32(5)], {"mask": True, "scale": True}, integers(), ()),
        Example([f32(2, 3)], {"factor": 0.3}, integers(), ()),
        Example([f32(1, 3, 4, 5), f32(2)], I8, integers(), ()),
        Example([f32(1, 3, 4, 5), f32(2)], I16, integers(range_=(2.0, 0.5)), ()),
        Example([_G8, f32(2), _MASK, _CHANNELS, f32(2)], I8 | {"mask": True, "scale": True}, integers(), ()),
        Example([_G8, f32(2), _MASK, _CHANNELS, _G8, f32(2), f32(2)], I8 | ALL, integers(0.01, (3.0, 0.5)), ()),
        Example([_G8, f32(2), _G8, f32(2), f32(2)], I8 | {"skip": True}, integers(0.01, (90.0, 0.5)), ()),
        Example([_G16, f32(2), _MASK, f32(2)], I16 | {"mask": True}, integers(0.01, (2000.0, 0.25)), ()),
        Example([f32(1, 1, 1, 5), b1(1, 3, 4, 5), f32(2)], I8 | {"mask": True, "shape": (1, 3, 4, 5)}, integers(), ()),
        Example([_int(DType.I8, 2, 7), f32(2)], {}, integers(range_=(1.0, 0.125)), ()),
        Example([i32(4, 1, 1, 3), f32(2)], {}, integers(range_=(1.0, 0.125)), ()),
    ],
)

OPS = (RESCALE_GRADIENT,)

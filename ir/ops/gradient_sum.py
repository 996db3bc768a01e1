"""gradient_sum(g): the sum over all axes but the last, in int32 where g holds integers: the gradient of a bias."""

from collections.abc import Mapping, Sequence

import numpy as np

from gradlet.ir.elementwise import check_count
from gradlet.ir.gradient_epilogue import LIMITS
from gradlet.ir.graph import Attrs, Node
from gradlet.ir.op_def import Arrays, Example, OpDef, Results
from gradlet.ir.quantized_samples import integers
from gradlet.ir.tensor_type import DType, TensorType, f32


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    (g,) = types
    if g.dtype not in (DType.F32, *LIMITS) or not g.shape:
        raise ValueError(f"{g} is no gradient in f32, i8 or i16")
    terms = g.size // g.shape[-1]
    if g.dtype in LIMITS and terms * LIMITS[g.dtype] >= 2**31:
        raise ValueError(f"sums of {terms} numbers {g.dtype.value} may exceed int32")
    return [TensorType(DType.I32 if g.dtype in LIMITS else DType.F32, g.shape[-1:])]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    (g,) = args
    kind = g.dtype if g.dtype.kind == "f" else np.dtype(np.int32)
    return [g.reshape(-1, g.shape[-1]).sum(axis=0, dtype=kind)]


def _slices(node: Node) -> Mapping[int, Sequence[tuple[int, int]]]:
    return {0: ((0, len(node.inputs[0].type.shape) - 1),)}


GRADIENT_SUM = OpDef(
    name="gradient_sum",
    infer=_infer,
    evaluate=_evaluate,
    slices=_slices,
    sums=0,
    examples=[
        Example([f32(2, 3, 4, 5)], {}, integers(), ()),
        Example([TensorType(DType.I8, (1, 3, 4, 9))], {}, integers(), ()),
        Example([TensorType(DType.I16, (2, 7))], {}, integers(), ()),
    ],
)

OPS = (GRADIENT_SUM,)

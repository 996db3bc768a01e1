"""qavg_pool2d(x): the mean of each window of an int8 or int16 channel, rounded; scale and zero point stay."""

from collections.abc import Sequence

import numpy as np

from gradlet.ir.elementwise import check_count
from gradlet.ir.graph import Attrs, Node, Value
from gradlet.ir.op_def import Arrays, Emit, Example, OpDef, Results
from gradlet.ir.ops.avg_pool2d import AVG_POOL2D
from gradlet.ir.ops.qsum import MOST
from gradlet.ir.quantized_samples import integers, q8, q16
from gradlet.ir.requantize import DTYPES, check_quantized, round_half_away, rounding
from gradlet.ir.tensor_type import TensorType, f32
from gradlet.ir.windows import Window


def _float_attrs(attrs: Attrs) -> dict[str, object]:
    """Those of avg_pool2d: padding is not counted, since it stands for no number."""
    return {**{k: attrs[k] for k in ("kernel", "strides", "padding")}, "count_include_pad": False}


def _infer(types: Sequence[TensorType], attrs: Attrs) -> list[TensorType]:
    check_count(types, 1)
    check_quantized(types[0], "x", DTYPES.values())
    rounding(attrs)
    (y,) = AVG_POOL2D.infer([f32(*types[0].shape)], _float_attrs(attrs))
    if Window.of(attrs).taps > MOST[types[0].dtype.bits]:
        raise ValueError(f"sums of {Window.of(attrs).taps} numbers may exceed int32")
    return [types[0].with_shape(*y.shape)]


def _evaluate(args: Arrays, attrs: Attrs) -> Results:
    (x,) = args
    (mean,) = AVG_POOL2D.evaluate([x.astype(np.float64)], _float_attrs(attrs))
    if x.dtype.kind == "f":
        return [mean]
    # float64 holds the mean well enough to tell a half: sums are integers, divisors small.
    rounded = np.rint(mean) if rounding(attrs) == "float" else round_half_away(mean)
    return [rounded.astype(x.dtype)]


def _gradient(emit: Emit, node: Node, grads: Sequence[Value | None]) -> list[Value | None]:
    assert grads[0] is not None
    shape, window = node.inputs[0].type.shape, Window.of(node.attrs)
    if window.kernel == shape[1:3] and not any(window.padding):
        return [emit("broadcast_to", emit("scale", grads[0], factor=1 / window.taps), shape=shape)]
    return [emit("avg_pool2d_grad", grads[0], input_shape=shape, **_float_attrs(node.attrs))]


GLOBAL = {"kernel": (4, 4), "strides": (1, 1), "padding": (0, 0, 0, 0)}
PADDED = {"kernel": (3, 2), "strides": (2, 1), "padding": (1, 0, 1, 1)}

QAVG_POOL2D = OpDef(
    name="qavg_pool2d",
    infer=_infer,
    evaluate=_evaluate,
    gradient=_gradient,
    examples=[
        Example([q8(2, 4, 4, 6)], GLOBAL, integers()),
        Example([q8(1, 5, 6, 3)], PADDED, integers()),
        Example([q8(2, 4, 4, 6)], GLOBAL | {"rounding": "double_rounding"}, integers(), ()),
        Example([q8(1, 5, 6, 3)], PADDED | {"rounding": "single_rounding"}, integers(), ()),
        Example([q16(2, 4, 4, 6)], GLOBAL, integers()),
        Example([q16(1, 5, 6, 3)], PADDED, integers()),
    ],
)

OPS = (QAVG_POOL2D,)

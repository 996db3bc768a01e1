"""quantize, dequantize and requantize."""

import numpy as np

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node
from gradlet.ir.requantize import ROUNDINGS, quantize_multiplier, rounding
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _quantize(node: Node) -> Call:
    (x,), (y, *mask), attrs = node.inputs, node.outputs, node.attrs
    m, half_to_even = mask[0] if mask else None, rounding(attrs) == "float"
    return call("quantize_f32", y, m, x, y.type.size, attrs["scale"], attrs["zero_point"], half_to_even)


def _dequantize(node: Node) -> Call:
    (x,), (y,), attrs = node.inputs, node.outputs, node.attrs
    return call("dequantize_i8", y, x, y.type.size, attrs["scale"], attrs["zero_point"])


def _requantize(node: Node) -> Call:
    (x,), (y, *mask), attrs = node.inputs, node.outputs, node.attrs
    factor = attrs["x_scale"] / attrs["y_scale"]
    numbers = float(np.float32(factor)), *quantize_multiplier(factor), ROUNDINGS.index(rounding(attrs))
    m = mask[0] if mask else None
    function = "requantize_u8" if x.type.dtype is DType.U8 else "requantize_i8"
    return call(function, y, m, x, y.type.size, attrs["x_zero"], attrs["y_zero"], *numbers)


KERNELS = {
    "quantize": Kernel(_C, _quantize),
    "dequantize": Kernel(_C, _dequantize, dtypes=(DType.I8,)),
    "requantize": Kernel(_C, _requantize, dtypes=(DType.I8, DType.U8)),
}

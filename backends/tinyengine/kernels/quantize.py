"""quantize, dequantize and requantize."""

import numpy as np

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Node
from gradlet.ir.requantize import DTYPES, ROUNDINGS, ends, quantize_multiplier, rounding
from gradlet.ir.tensor_type import DType

_C = beside(__file__)


def _quantize(node: Node) -> Call:
    (x,), (y, *mask), attrs = node.inputs, node.outputs, node.attrs
    m, half_to_even = mask[0] if mask else None, rounding(attrs) == "float"
    if y.type.dtype is DType.I16:
        return call("quantize_i16_f32", y, m, x, y.type.size, attrs["scale"], *ends(attrs))
    return call("quantize_f32", y, m, x, y.type.size, attrs["scale"], attrs["zero_point"], half_to_even)


def _dequantize(node: Node) -> Call:
    (x,), (y,), attrs = node.inputs, node.outputs, node.attrs
    if x.type.dtype is DType.I16:
        return call("dequantize_i16", y, x, y.type.size, attrs["scale"])
    return call("dequantize_i8", y, x, y.type.size, attrs["scale"], attrs["zero_point"])


def _requantize(node: Node) -> Call:
    (x,), (y, *mask), attrs = node.inputs, node.outputs, node.attrs
    factor = attrs["x_scale"] / attrs["y_scale"]
    single, m, unsigned = float(np.float32(factor)), mask[0] if mask else None, x.type.dtype is DType.U8
    if y.type.dtype is DType.I16:
        zero = (attrs["x_zero"],) if unsigned else ()
        function = "requantize_u8_to_i16" if unsigned else "requantize_i16"
        return call(function, y, m, x, y.type.size, *zero, single, *ends(attrs))
    numbers = single, *quantize_multiplier(factor), ROUNDINGS.index(rounding(attrs))
    function = "requantize_u8" if unsigned else "requantize_i8"
    return call(function, y, m, x, y.type.size, attrs["x_zero"], attrs["y_zero"], *numbers)


KERNELS = {
    "quantize": Kernel(_C, _quantize),
    "dequantize": Kernel(_C, _dequantize, dtypes=DTYPES.values()),
    "requantize": Kernel(_C, _requantize, dtypes=(*DTYPES.values(), DType.U8)),
}

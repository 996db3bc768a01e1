"""qconv2d, and qdense as the pointwise convolution of an image of one row."""

from collections.abc import Sequence
from pathlib import Path

from gradlet.backends.tinyengine.kernel import SCRATCH, Arg, Call, Kernel, beside, call
from gradlet.backends.tinyengine.window_sizes import window_sizes
from gradlet.ir.graph import Node, Value
from gradlet.ir.requantize import ROUNDINGS, ends, rounding
from gradlet.ir.target import Target
from gradlet.ir.tensor_type import DType

_C = beside(__file__)
_I16_C = Path(__file__).with_name("qconv2d_i16.c")
_MOST_PARTS = 4
_MOST_RESULTS = 16


def forward_operands(node: Node, most_parts: int) -> tuple[Arg, ...]:
    """y, mask, x, w of so many parts, bias, scale, of int8 multiplier; what there is not is NULL."""
    count = node.attrs.get("parts", 1)
    x, weights, (bias, scale, *multiplier) = node.inputs[0], node.inputs[1 : count + 1], node.inputs[count + 1 :]
    y, *mask = node.outputs
    absent = [None] * (most_parts - count)
    fixed = [_or_none(multiplier)] if x.type.dtype is DType.I8 else []
    return y, _or_none(mask), x, *weights, *absent, bias, scale, *fixed


def forward_attributes(node: Node) -> tuple[int, ...]:
    """x_zero, rounding and y_zero; of int16 x_zero and the ends of the results."""
    if node.inputs[0].type.dtype is DType.I16:
        return node.attrs["x_zero"], *ends(node.attrs)
    return node.attrs["x_zero"], ROUNDINGS.index(rounding(node.attrs)), node.attrs["y_zero"]


def _has_few_parts(node: Node, target: Target) -> bool:
    return int(node.attrs.get("parts", 1)) <= _MOST_PARTS


def _or_none(values: Sequence[Value]) -> Value | None:
    return values[0] if values else None


def _weights(node: Node) -> list[Value]:
    return node.inputs[1 : node.attrs.get("parts", 1) + 1]


def _is_pointwise(node: Node) -> bool:
    attrs, kernel = node.attrs, node.inputs[1].type.shape[1:3]
    return kernel == tuple(attrs["strides"]) == (1, 1) and not any(attrs["padding"]) and attrs.get("groups", 1) == 1


def _row_of(pixels: int, channels: int, out: int) -> tuple[int, ...]:
    """The sizes of a pointwise convolution, whatever the shape of the image."""
    return 1, 1, pixels, channels, 1, pixels, out, 1, 1, 1, 1, 0, 0, 1, 1


def _sizes(node: Node) -> tuple[int, ...]:
    """`qconv_sizes` of qconv_windows.h, and what `requantization` needs."""
    x, w, y = node.inputs[0].type, node.inputs[1].type, node.outputs[0].type
    if node.op == "qdense" or _is_pointwise(node):
        channels, out = x.shape[-1], y.shape[-1]
        window, groups = _row_of(x.size // channels, channels, out), 1
    else:
        window, groups = window_sizes(node.attrs, x, y, w.shape[1:3]), node.attrs.get("groups", 1)
    channels_of_parts = [w.type.shape[-1] for w in _weights(node)]
    absent = [0] * (_MOST_PARTS - len(channels_of_parts))
    return *window, groups, *channels_of_parts, *absent, *forward_attributes(node)


def _qconv2d(node: Node) -> Call:
    function = "qconv2d_i16" if node.inputs[0].type.dtype is DType.I16 else "qconv2d_i8"
    return call(function, *forward_operands(node, _MOST_PARTS), _sizes(node), SCRATCH)


def _scratch(node: Node) -> int:
    """Columns of up to 16 results and weights of two channels, or one column; and the bytes of one window."""
    terms = [w.type.size // w.type.shape[0] for w in _weights(node)]
    results = min(_sizes(node)[5], _MOST_RESULTS)
    fours = sum(-(-count // 4) for count in terms)
    widened = 8 if results < 4 else -(-results // 4) * 32 + 16
    return fours * widened + max(terms) * node.inputs[0].type.dtype.numpy.itemsize


_KERNELS = (
    Kernel(_C, _qconv2d, dtypes=(DType.I8,), applies=_has_few_parts, scratch=_scratch),
    Kernel(_I16_C, _qconv2d, dtypes=(DType.I16,), applies=_has_few_parts, scratch=_scratch),
)
KERNELS = {"qconv2d": _KERNELS, "qdense": _KERNELS}

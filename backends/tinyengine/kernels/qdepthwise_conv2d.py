"""qdepthwise_conv2d."""

from pathlib import Path

from gradlet.backends.tinyengine.kernel import SCRATCH, Call, Kernel, beside, call
from gradlet.backends.tinyengine.kernels.qconv2d import forward_attributes, forward_operands
from gradlet.backends.tinyengine.window_sizes import window_sizes
from gradlet.ir.graph import Node
from gradlet.ir.target import Target
from gradlet.ir.tensor_type import DType

_C = beside(__file__)
_PLANAR_C, _PLANAR_I16_C = (Path(__file__).with_name(f"qdepthwise_planar{kind}.c") for kind in ("", "_i16"))
_MOST_PARTS = 2
_MOST_TAPS = 7  # in a row or column of a window, for the planes


def _sizes(node: Node) -> tuple[int, ...]:
    x, w, y = node.inputs[0].type, node.inputs[1].type, node.outputs[0].type
    return *window_sizes(node.attrs, x, y, w.shape[:2]), w.shape[2], *forward_attributes(node)


def _has_few_parts(node: Node, target: Target) -> bool:
    return int(node.attrs.get("parts", 1)) <= _MOST_PARTS


def _suffix(node: Node) -> str:
    return "i16" if node.inputs[0].type.dtype is DType.I16 else "i8"


def _qdepthwise_conv2d(node: Node) -> Call:
    return call(f"qdepthwise_conv2d_{_suffix(node)}", *forward_operands(node, _MOST_PARTS), _sizes(node))


def _pairs(node: Node) -> int:
    """Words of taps in a row of the window, each of two taps; with a stride of 1 the first may be half a word."""
    width, stride = node.inputs[1].type.shape[1], node.attrs["strides"][1]
    return max(2, (width + 2) // 2 if stride == 1 else (width + 1) // 2)


def _pitch(node: Node) -> int:
    """Words of a row of a plane: all that four results at a time look at, the last four included."""
    fours = -(-node.outputs[0].type.shape[2] // 4)
    return (2 if node.attrs["strides"][1] == 1 else 4) * fours + _pairs(node)


def _has_planes(node: Node, target: Target) -> bool:
    attrs, (height, width, _) = node.attrs, node.inputs[1].type.shape
    channels, out = node.inputs[0].type.shape[3], node.outputs[0].type.shape[3]
    fits = max(height, width) <= _MOST_TAPS and attrs["strides"][1] <= 2 and channels == out
    is_dense = tuple(attrs.get("dilation", (1, 1))) == (1, 1)
    return "dsp" in target.features and fits and is_dense and _has_few_parts(node, target)


def _planar(node: Node) -> Call:
    return call(
        f"qdepthwise_planar_{_suffix(node)}",
        *forward_operands(node, _MOST_PARTS),
        (*_sizes(node), _pitch(node), _pairs(node)),
        SCRATCH,
    )


def _planar_scratch(node: Node) -> int:
    """The taps of four channels, and four planes for the rows of a window."""
    height = node.inputs[1].type.shape[0]
    return 4 * height * (8 * _pairs(node) + 4 * _pitch(node))


def _planar_kernel(source: Path, dtype: DType) -> Kernel:
    return Kernel(source, _planar, name="planar", dtypes=(dtype,), applies=_has_planes, scratch=_planar_scratch)


KERNELS = {
    "qdepthwise_conv2d": (
        _planar_kernel(_PLANAR_C, DType.I8),
        _planar_kernel(_PLANAR_I16_C, DType.I16),
        Kernel(_C, _qdepthwise_conv2d, dtypes=(DType.I8, DType.I16), applies=_has_few_parts),
    )
}

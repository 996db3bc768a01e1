"""resize and its gradient."""

from gradlet.backends.tinyengine.kernel import Call, Kernel, beside, call
from gradlet.ir.graph import Attrs, Node
from gradlet.ir.ops.resize import corners_aligned, half_pixels
from gradlet.ir.requantize import DTYPES
from gradlet.ir.tensor_type import DType, TensorType

_C = beside(__file__)


def _sizes(attrs: Attrs, images: TensorType, resized: TensorType) -> tuple[int, ...]:
    """`read_resize` of resize.c."""
    return (*images.shape, *resized.shape[1:3], int(corners_aligned(attrs)), int(half_pixels(attrs)))


def _resize(node: Node) -> Call:
    (x,), (y,) = node.inputs, node.outputs
    sizes = _sizes(node.attrs, x.type, y.type)
    if node.attrs["mode"] == "nearest":
        return call("resize_nearest", y, x, x.type.shape[3] * x.type.dtype.bits // 8, sizes)
    suffix = "f32" if x.type.dtype.is_float else f"i{x.type.dtype.bits}"
    return call(f"resize_bilinear_{suffix}", y, x, sizes)


def _resize_grad(node: Node) -> Call:
    (g,), (dx,) = node.inputs, node.outputs
    return call(f"resize_{node.attrs['mode']}_grad_f32", dx, g, _sizes(node.attrs, dx.type, g.type))


KERNELS = {
    "resize": Kernel(_C, _resize, dtypes=(DType.F32, *DTYPES.values())),
    "resize_grad": Kernel(_C, _resize_grad),
}

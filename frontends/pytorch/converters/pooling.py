"""Pooling in one or two dimensions."""

from collections.abc import Callable, Sequence

from gradlet.frontends.pytorch.builder import Builder, Operand, UnsupportedError
from gradlet.frontends.pytorch.planes import Padding, on_planes, pair
from gradlet.frontends.pytorch.tensor import Tensor
from gradlet.ir.graph import Value

Sizes = Sequence[int]


def max_pool(dimensions: int) -> Callable[..., Tensor]:
    def convert(
        b: Builder,
        x: Operand,
        kernel: Sizes,
        stride: Sizes = (),
        padding: Sizes = (0,),
        dilation: Sizes = (1,),
        ceil_mode: bool = False,
    ) -> Tensor:
        if set(dilation) != {1}:
            raise UnsupportedError(f"dilation={list(dilation)}: windows with holes are not supported")
        window = _Window(kernel, stride, padding, dimensions, ceil_mode)
        return on_planes(b, x, dimensions, lambda planes: b("max_pool2d", planes, **window.attrs(planes)))

    return convert


def with_indices(pool: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, None]]:
    """An operator that returns positions as well: reading them is unsupported."""
    return lambda *args, **kwargs: (pool(*args, **kwargs), None)


def avg_pool(dimensions: int) -> Callable[..., Tensor]:
    def convert(
        b: Builder,
        x: Operand,
        kernel: Sizes,
        stride: Sizes = (),
        padding: Sizes = (0,),
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Tensor:
        window = _Window(kernel, stride, padding, dimensions, ceil_mode)

        def make(planes: Value) -> Value:
            if divisor_override:
                mean = b("avg_pool2d", planes, **window.attrs(planes), count_include_pad=True)
                return b("scale", mean, factor=window.area / divisor_override)
            return _mean(b, planes, window, count_include_pad)

        return on_planes(b, x, dimensions, make)

    return convert


def _mean(b: Builder, planes: Value, window: "_Window", count_include_pad: bool) -> Value:
    """PyTorch counts the padding it was asked for, and never what ceil_mode adds to it."""
    attrs = window.attrs(planes)
    asked, added = window.padding, attrs["padding"]
    if count_include_pad and added != asked and any(asked):
        top, left, bottom, right = asked
        planes = b("pad", planes, before=(0, top, left, 0), after=(0, bottom, right, 0), value=0.0)
        attrs["padding"] = (0, 0, added[2] - bottom, added[3] - right)
    return b("avg_pool2d", planes, **attrs, count_include_pad=count_include_pad and added == asked)


class _Window:
    """Size and steps of a pooling window over planes."""

    def __init__(self, kernel: Sizes, stride: Sizes, padding: Sizes, dimensions: int, ceil_mode: bool):
        self.kernel = pair(kernel, dimensions)
        self.strides = pair(stride, dimensions) if stride else self.kernel
        top, left = pair(padding, dimensions, first=0)
        self.padding: Padding = (top, left, top, left)
        self.ceil_mode = ceil_mode

    @property
    def area(self) -> int:
        return self.kernel[0] * self.kernel[1]

    def attrs(self, planes: Value) -> dict:
        top, left, bottom, right = self.padding
        _, height, width, _ = planes.type.shape
        more = [self._missing(0, height, top), self._missing(1, width, left)]
        padding = (top, left, bottom + more[0], right + more[1])
        return {"kernel": self.kernel, "strides": self.strides, "padding": padding}

    def _missing(self, axis: int, size: int, padding: int) -> int:
        """What ceil_mode adds at the end of an axis; a window that would start beyond the padded input is left out."""
        if not self.ceil_mode:
            return 0
        kernel, stride = self.kernel[axis], self.strides[axis]
        steps = -(-(size + 2 * padding - kernel) // stride)
        if steps * stride >= size + padding:
            steps -= 1
        return max(0, steps * stride + kernel - (size + 2 * padding))


def adaptive(dimensions: int, reduce: str) -> Callable[..., Tensor]:
    """To one pixel: a reduction; to a part of the size: windows of equal size, side by side."""

    def convert(b: Builder, x: Operand, output_size: Sizes) -> Tensor:
        def make(planes: Value) -> Value:
            size = planes.type.shape[1:3]
            wanted = pair(output_size, dimensions)
            if any(have % want for have, want in zip(size, wanted, strict=True)):
                what = f"{list(size[-dimensions:])} to {list(output_size)}"
                raise UnsupportedError(f"{what}: the output must be 1 or divide the input evenly")
            if wanted == (1, 1):
                return b("mean" if reduce == "avg" else "max", planes, axis=(1, 2), keepdims=True)
            kernel = (size[0] // wanted[0], size[1] // wanted[1])
            more = {"count_include_pad": False} if reduce == "avg" else {}
            return b(f"{reduce}_pool2d", planes, kernel=kernel, strides=kernel, padding=(0, 0, 0, 0), **more)

        return on_planes(b, x, dimensions, make)

    return convert


CONVERTERS = {
    "aten.max_pool1d.default": max_pool(1),
    "aten.max_pool2d.default": max_pool(2),
    "aten.max_pool2d_with_indices.default": with_indices(max_pool(2)),
    "aten.avg_pool1d.default": avg_pool(1),
    "aten.avg_pool2d.default": avg_pool(2),
    "aten.adaptive_avg_pool1d.default": adaptive(1, "avg"),
    "aten.adaptive_avg_pool2d.default": adaptive(2, "avg"),
    "aten.adaptive_max_pool1d.default": with_indices(adaptive(1, "max")),
    "aten.adaptive_max_pool2d.default": with_indices(adaptive(2, "max")),
}

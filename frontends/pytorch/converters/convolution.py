"""Convolution in one or two dimensions, grouped, depthwise and transposed."""

from collections.abc import Callable, Sequence
from typing import Any

from gradlet.frontends.pytorch.builder import Builder, Operand, UnsupportedError
from gradlet.frontends.pytorch.planes import Padding, on_planes, pair
from gradlet.frontends.pytorch.tensor import Parameter, Tensor
from gradlet.ir.graph import Value

Sizes = Sequence[int]


def convolution(dimensions: int) -> Callable[..., Tensor]:
    def convert(
        b: Builder,
        x: Operand,
        weight: Operand,
        bias: Operand | None = None,
        stride: Sizes = (1,),
        padding: Sizes | str = (0,),
        dilation: Sizes = (1,),
        groups: int = 1,
    ) -> Tensor:
        kernel, dilations = pair(weight.shape[2:], dimensions), pair(dilation, dimensions)
        attrs: dict[str, Any] = {
            "strides": pair(stride, dimensions),
            "padding": _padding(padding, kernel, dilations, dimensions),
        }
        attrs |= {"dilation": dilations} if dilations != (1, 1) else {}
        is_depthwise = 1 < groups == x.shape[-dimensions - 1]
        op = "depthwise_conv2d" if is_depthwise else "conv2d"
        attrs |= {} if is_depthwise or groups == 1 else {"groups": groups}
        weights = [_depthwise(b, weight) if is_depthwise else _ohwi(b, weight)]
        weights += [] if bias is None else [b.plain(bias)]
        return on_planes(b, x, dimensions, lambda planes: b(op, planes, *weights, **attrs))

    return convert


def transposed(dimensions: int) -> Callable[..., Tensor]:
    """The input gradient of the convolution with these weights, which go from its outputs to its inputs."""

    def convert(
        b: Builder,
        x: Operand,
        weight: Operand,
        bias: Operand | None = None,
        stride: Sizes = (1,),
        padding: Sizes = (0,),
        output_padding: Sizes = (0,),
        groups: int = 1,
        dilation: Sizes = (1,),
    ) -> Tensor:
        kernel, strides, dilations = (pair(sizes, dimensions) for sizes in (weight.shape[2:], stride, dilation))
        before, more = (pair(sizes, dimensions, first=0) for sizes in (padding, output_padding))
        # What output_padding adds, the convolution does not have to pad; what is left lies behind its last window.
        after = [max(p - m, 0) for p, m in zip(before, more, strict=True)]
        if any(m - p >= s for p, m, s in zip(before, more, strides, strict=True)):
            raise UnsupportedError(
                f"output_padding={list(output_padding)}, of at least the stride more than the padding"
            )
        attrs: dict[str, Any] = {"strides": strides, "padding": (*before, *after)}
        attrs |= ({"dilation": dilations} if dilations != (1, 1) else {}) | ({"groups": groups} if groups > 1 else {})

        def make(planes: Value) -> Value:
            n, *size, _ = planes.type.shape
            extent = zip(size, strides, before, dilations, kernel, more, strict=True)
            large = [(length - 1) * s - 2 * p + d * (k - 1) + m + 1 for length, s, p, d, k, m in extent]
            shape = (n, *large, weight.shape[1] * groups)
            y = b("conv2d_input_grad", planes, _ohwi(b, weight), input_shape=shape, **attrs)
            return y if bias is None else b("bias_add", y, b.plain(bias))

        return on_planes(b, x, dimensions, make)

    return convert


def _padding(padding: Sizes | str, kernel: Sizes, dilation: Sizes, dimensions: int) -> Padding:
    """(top, left, bottom, right); an odd pixel of "same" goes to the end."""
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding == "same":
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        before = [t // 2 for t in total]
        return (before[0], before[1], total[0] - before[0], total[1] - before[1])
    assert not isinstance(padding, str), padding
    top, left = pair(padding, dimensions, first=0)
    return (top, left, top, left)


def _ohwi(b: Builder, weight: Operand) -> Value:
    """(O, I, [KH,] KW) -> [O, KH, KW, I]."""
    out, inputs, *kernel = weight.shape
    return _moved(b, weight, (0, *range(2, len(weight.shape)), 1), (out, *pair(kernel, len(kernel)), inputs))


def _depthwise(b: Builder, weight: Operand) -> Value:
    """(O, 1, [KH,] KW) -> [KH, KW, O]."""
    out, _, *kernel = weight.shape
    return _moved(b, weight, (*range(2, len(weight.shape)), 0, 1), (*pair(kernel, len(kernel)), out))


def _moved(b: Builder, weight: Operand, order: Sizes, shape: tuple[int, ...]) -> Value:
    if isinstance(weight, Parameter):
        return b.place(weight, order, shape)
    return b.reshape(b.lay(weight, order), shape)


CONVERTERS = {
    "aten.conv1d.default": convolution(1),
    "aten.conv1d.padding": convolution(1),
    "aten.conv2d.default": convolution(2),
    "aten.conv2d.padding": convolution(2),
    "aten.conv_transpose1d.default": transposed(1),
    "aten.conv_transpose2d.input": transposed(2),
}

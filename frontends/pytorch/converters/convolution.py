"""Convolution in one or two dimensions, grouped and depthwise."""

from collections.abc import Callable, Sequence
from typing import Any

from gradlet.frontends.pytorch.builder import Builder, Operand
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
}

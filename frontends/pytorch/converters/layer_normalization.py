"""Normalisation of each sample by itself: over its last axes, over groups of channels, or by its mean square."""

from collections.abc import Sequence

import numpy as np

from gradlet.frontends.pytorch.broadcast import binary, shifted, unary
from gradlet.frontends.pytorch.builder import Builder, Operand, UnsupportedError
from gradlet.frontends.pytorch.converters.normalization import inference
from gradlet.frontends.pytorch.converters.reduction import reduced
from gradlet.frontends.pytorch.tensor import Tensor

_EPSILON = float(np.finfo(np.float32).eps)


def layer_norm(
    b: Builder,
    x: Operand,
    normalized_shape: Sequence[int],
    weight: Operand | None = None,
    bias: Operand | None = None,
    eps: float = 1e-5,
    *_: object,
) -> Tensor:
    return _affine(b, _standardised(b, x, _last(normalized_shape), eps), weight, bias)


def rms_norm(
    b: Builder, x: Operand, normalized_shape: Sequence[int], weight: Operand | None = None, eps: float | None = None
) -> Tensor:
    return _affine(b, _scaled(b, x, _last(normalized_shape), _EPSILON if eps is None else eps), weight, None)


def group_norm(
    b: Builder,
    x: Operand,
    num_groups: int,
    weight: Operand | None = None,
    bias: Operand | None = None,
    eps: float = 1e-5,
    *_: object,
) -> Tensor:
    samples, channels, *rest = x.shape
    grouped = b.view(x, (samples, num_groups, channels // num_groups, *rest))
    y = b.view(_standardised(b, grouped, range(2, len(rest) + 3), eps), x.shape)
    return _affine(b, y, *(_by_channel(b, p, len(rest)) for p in (weight, bias)))


def instance_norm(
    b: Builder,
    x: Operand,
    weight: Operand | None,
    bias: Operand | None,
    mean: Operand | None,
    var: Operand | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    *_: object,
) -> Tensor:
    if not use_input_stats and mean is not None and var is not None:
        return inference(b, x, weight, bias, mean, var, momentum, eps)[0]
    if mean is not None:
        raise UnsupportedError("instance normalisation that tracks its statistics, in training mode")
    spatial = range(2, len(x.shape))
    return _affine(b, _standardised(b, x, spatial, eps), *(_by_channel(b, p, len(spatial)) for p in (weight, bias)))


def _last(shape: Sequence[int]) -> range:
    return range(-len(shape), 0)


def _standardised(b: Builder, x: Operand, axes: Sequence[int], eps: float) -> Tensor:
    return _scaled(b, binary(b, "sub", x, reduced(b, "mean", x, axes, keepdim=True)), axes, eps)


def _scaled(b: Builder, x: Operand, axes: Sequence[int], eps: float) -> Tensor:
    """x divided by the root of its mean square."""
    mean = reduced(b, "mean", binary(b, "mul", x, x), axes, keepdim=True)
    return binary(b, "mul", x, unary(b, "rsqrt", shifted(b, mean, eps)))


def _by_channel(b: Builder, parameter: Operand | None, spatial: int) -> Tensor | None:
    return None if parameter is None else b.view(parameter, (*parameter.shape, *(1,) * spatial))


def _affine(b: Builder, x: Tensor, weight: Operand | None, bias: Operand | None) -> Tensor:
    x = x if weight is None else binary(b, "mul", x, weight)
    return x if bias is None else binary(b, "add", x, bias)


CONVERTERS = {
    "aten.layer_norm.default": layer_norm,
    "aten.rms_norm.default": rms_norm,
    "aten.group_norm.default": group_norm,
    "aten.instance_norm.default": instance_norm,
}

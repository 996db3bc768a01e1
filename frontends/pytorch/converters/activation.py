"""Activations: one tensor in, one of the same shape out."""

import math
from collections.abc import Callable

from gradlet.frontends.pytorch.broadcast import binary, negative_part, scaled, shifted, unary
from gradlet.frontends.pytorch.builder import Builder, Operand
from gradlet.frontends.pytorch.tensor import Tensor


def named(op: str) -> Callable[..., Tensor]:
    """The converter of an operator that has a namesake in the IR."""
    return lambda b, x: unary(b, op, x)


def clamp(b: Builder, x: Operand, min: float | None = None, max: float | None = None) -> Tensor:
    lo, hi = -math.inf if min is None else float(min), math.inf if max is None else float(max)
    return unary(b, "relu", x) if (lo, hi) == (0, math.inf) else unary(b, "clip", x, lo=lo, hi=hi)


def hardtanh(b: Builder, x: Operand, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    return clamp(b, x, min_val, max_val)


def relu6(b: Builder, x: Operand) -> Tensor:
    return clamp(b, x, 0.0, 6.0)


def hardsigmoid(b: Builder, x: Operand) -> Tensor:
    return scaled(b, clamp(b, shifted(b, x, 3.0), 0.0, 6.0), 1 / 6)


def leaky_relu(b: Builder, x: Operand, negative_slope: float = 0.01) -> Tensor:
    return unary(b, "leaky_relu", x, alpha=float(negative_slope))


def prelu(b: Builder, x: Operand, weight: Operand) -> Tensor:
    per_channel = b.view(weight, (*weight.shape, *(1,) * (len(x.shape) - 2))) if len(x.shape) > 2 else weight
    return binary(b, "sub", unary(b, "relu", x), binary(b, "mul", negative_part(b, x), per_channel))


def elu(b: Builder, x: Operand, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Tensor:
    steep = scaled(b, x, input_scale) if input_scale != 1 else x
    bent = unary(b, "elu", steep, alpha=float(alpha * input_scale))
    return scaled(b, bent, scale / input_scale) if scale != input_scale else bent


def gelu(b: Builder, x: Operand, approximate: str = "none") -> Tensor:
    return unary(b, "gelu", x, approximate=approximate == "tanh")


def softplus(b: Builder, x: Operand, beta: float = 1, threshold: float = 20) -> Tensor:
    """log(1 + exp(x)) as max(x, 0) + log(1 + exp(-|x|)), which cannot overflow and needs no threshold."""
    steep = scaled(b, x, beta)
    positive = unary(b, "relu", steep)
    size = binary(b, "add", positive, negative_part(b, steep))
    rest = unary(b, "log", shifted(b, unary(b, "exp", unary(b, "neg", size)), 1.0))
    return scaled(b, binary(b, "add", positive, rest), 1 / beta)


def mish(b: Builder, x: Operand) -> Tensor:
    return binary(b, "mul", x, unary(b, "tanh", softplus(b, x)))


def softmax(op: str) -> Callable[..., Tensor]:
    def convert(b: Builder, x: Operand, dim: int, *_: object) -> Tensor:
        settled = b.settled(x)
        rank = len(settled.shape)
        axis = settled.order.index(dim % rank)
        return b.like(b(op, settled.value, axis=-1 if axis == rank - 1 else axis), settled)

    return convert


def glu(b: Builder, x: Operand, dim: int = -1) -> Tensor:
    settled = b.settled(x)
    axis = settled.order.index(dim % len(settled.shape))
    half = settled.value.type.shape[axis] // 2
    a, gate = b.node("split", settled.value, axis=axis, sizes=(half, half)).outputs
    return b.laid(b("mul", a, b("sigmoid", gate)), settled.order)


CONVERTERS = {
    "aten.relu.default": named("relu"),
    "aten.relu6.default": relu6,
    "aten.hardtanh.default": hardtanh,
    "aten.clamp.default": clamp,
    "aten.clamp_min.default": clamp,
    "aten.clamp_max.default": lambda b, x, max: clamp(b, x, None, max),
    "aten.sigmoid.default": named("sigmoid"),
    "aten.hardsigmoid.default": hardsigmoid,
    "aten.silu.default": named("silu"),
    "aten.hardswish.default": named("hard_swish"),
    "aten.tanh.default": named("tanh"),
    "aten.leaky_relu.default": leaky_relu,
    "aten.prelu.default": prelu,
    "aten.elu.default": elu,
    "aten.selu.default": lambda b, x: elu(b, x, alpha=1.6732632423543772, scale=1.0507009873554805),
    "aten.celu.default": lambda b, x, alpha=1.0: elu(b, x, alpha=alpha, input_scale=1 / alpha),
    "aten.gelu.default": gelu,
    "aten.softplus.default": softplus,
    "aten.mish.default": mish,
    "aten.glu.default": glu,
    "aten.softmax.int": softmax("softmax"),
    "aten._softmax.default": softmax("softmax"),
    "aten.log_softmax.int": softmax("log_softmax"),
    "aten._log_softmax.default": softmax("log_softmax"),
}

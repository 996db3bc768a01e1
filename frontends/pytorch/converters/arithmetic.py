"""Arithmetic of tensors and numbers, element by element."""

from collections.abc import Callable

from gradlet.frontends.pytorch.broadcast import binary, reciprocal, scaled, shifted, unary
from gradlet.frontends.pytorch.builder import Builder, Operand, UnsupportedError
from gradlet.frontends.pytorch.tensor import Tensor

Number = int | float


def add(b: Builder, x: Operand, other: Operand | Number, alpha: Number = 1) -> Operand:
    if isinstance(other, Number):
        return shifted(b, x, other * alpha)
    return binary(b, "add", x, _times(b, other, alpha))


def sub(b: Builder, x: Operand, other: Operand | Number, alpha: Number = 1) -> Operand:
    if isinstance(other, Number):
        return shifted(b, x, -other * alpha)
    return binary(b, "sub", x, _times(b, other, alpha))


def rsub(b: Builder, x: Operand, other: Operand | Number, alpha: Number = 1) -> Operand:
    if isinstance(other, Number):
        return shifted(b, _times(b, x, -alpha), other)
    return sub(b, other, x, alpha)


def mul(b: Builder, x: Operand, other: Operand | Number) -> Operand:
    return _times(b, x, other) if isinstance(other, Number) else binary(b, "mul", x, other)


def div(b: Builder, x: Operand, other: Operand | Number, rounding_mode: str | None = None) -> Operand:
    if rounding_mode:
        raise UnsupportedError(f"rounding_mode={rounding_mode!r}")
    return _times(b, x, 1 / other) if isinstance(other, Number) else binary(b, "div", x, other)


def power(b: Builder, x: Operand, exponent: Number) -> Tensor:
    """Products and roots where these do; they are cheaper than pow."""
    if exponent in (-1, -2, -3, -4, -0.5):
        return reciprocal(b, power(b, x, -exponent))
    if exponent == 0.5:
        return unary(b, "sqrt", x)
    x = b.tensor(x)
    if exponent not in (1, 2, 3, 4):
        return b.like(b("pow", x.value, b.full(exponent, dtype=x.value.type.dtype)), x)
    if exponent == 1:
        return x
    square = binary(b, "mul", x, x)
    return square if exponent == 2 else binary(b, "mul", square, x if exponent == 3 else square)


def power_of_number(b: Builder, base: Number, exponent: Operand) -> Tensor:
    exponent = b.tensor(exponent)
    value = exponent.value
    return b.like(b("pow", b.full(base, dtype=value.type.dtype), value), exponent)


def pair(op: str) -> Callable[..., Tensor]:
    """The converter of an operator of two tensors that has a namesake in the IR."""
    return lambda b, x, other: binary(b, op, x, other)


def named(op: str) -> Callable[..., Tensor]:
    """The converter of an operator that has a namesake in the IR."""
    return lambda b, x: unary(b, op, x)


def _times(b: Builder, x: Operand, factor: Number) -> Operand:
    return x if factor == 1 else scaled(b, x, factor)


CONVERTERS = {
    "aten.add.Tensor": add,
    "aten.add.Scalar": add,
    "aten.sub.Tensor": sub,
    "aten.sub.Scalar": sub,
    "aten.rsub.Scalar": rsub,
    "aten.rsub.Tensor": rsub,
    "aten.mul.Tensor": mul,
    "aten.mul.Scalar": mul,
    "aten.div.Tensor": div,
    "aten.div.Scalar": div,
    "aten.div.Tensor_mode": div,
    "aten.reciprocal.default": lambda b, x: reciprocal(b, x),
    "aten.pow.Tensor_Scalar": power,
    "aten.pow.Tensor_Tensor": pair("pow"),
    "aten.pow.Scalar": power_of_number,
    "aten.square.default": lambda b, x: power(b, x, 2),
    "aten.sqrt.default": named("sqrt"),
    "aten.rsqrt.default": named("rsqrt"),
    "aten.exp.default": named("exp"),
    "aten.log.default": named("log"),
    "aten.neg.default": named("neg"),
    "aten.abs.default": named("abs"),
    "aten.maximum.default": pair("maximum"),
    "aten.minimum.default": pair("minimum"),
    "aten.clamp_min.Tensor": pair("maximum"),
    "aten.clamp_max.Tensor": pair("minimum"),
}

"""Blocks of random int8 networks that join two tensors, most often of different shapes."""

from __future__ import annotations

import numpy as np

from gradlet.ir.graph import Value
from gradlet.tests.random_int8_network import RandomNetwork, one_of, quant_of


def gated(net: RandomNetwork, x: Value) -> Value:
    """x times one number for each channel, or for each pixel, of itself: squeeze and excite."""
    gate = _squeezed(net, x)
    if len(x.type.shape) == 4 and gate.type.shape[3] == x.type.shape[3] and net.chance(0.5):
        channels, window = x.type.shape[3], {"strides": (1, 1), "padding": (0, 0, 0, 0)}
        gate = net.linear("qconv2d", gate, (channels, 1, 1, channels), 0, 3, **window)
    operands = (x, gate) if net.chance(0.8) else (gate, x)
    return net.pair("qmul", *operands, net.real(x) * net.real(gate))


def levelled(net: RandomNetwork, x: Value) -> Value:
    """x less, or plus, what is common to some axes."""
    common = _squeezed(net, x)
    if net.chance(0.3):
        return net.pair("qadd", common, x, net.real(x) + net.real(common))
    return net.pair("qadd", x, common, net.real(x) - net.real(common), subtract=True)


def _squeezed(net: RandomNetwork, x: Value) -> Value:
    last = len(x.type.shape) - 1
    axes = one_of(net.rng, [(1, 2), (1, 2), (last,), (1, last)]) if last == 3 else (last,)
    op = one_of(net.rng, ("qmean", "qmean", "qsum", "max", "min"))
    if op in ("max", "min"):
        return net.op(op, x, axis=axes, keepdims=True)
    real = getattr(np, op[1:])(net.real(x), axis=axes, keepdims=True)
    scales = {"x_scale": quant_of(x).scale[0], "x_zero": quant_of(x).zero_point[0], **net.range_of(real)}
    return net.op(op, x, axis=axes, keepdims=True, **scales, rounding=net.rounding)


def with_constant(net: RandomNetwork, x: Value) -> Value:
    """x times or plus one number for each channel, or one alone."""
    size = one_of(net.rng, (1, x.type.shape[-1]))
    constant = net.constant((size,), net.quant(float(net.rng.uniform(0.004, 0.03)), net.integer(-128, 127)))
    a, b = net.real(x), net.real(constant)
    return net.pair("qmul", x, constant, a * b) if net.chance(0.5) else net.pair("qadd", constant, x, a + b)


def bent(net: RandomNetwork, x: Value) -> Value:
    """With a slope for each channel where it is negative."""
    slopes = net.constant((x.type.shape[-1],), net.quant(0.004, net.integer(-128, 0)))
    a = net.real(x)
    return net.pair("qprelu", x, slopes, np.where(a >= 0, a, a * net.real(slopes)))


def limited(net: RandomNetwork, x: Value) -> Value:
    constant = net.constant((x.type.shape[-1],), quant_of(x))
    return net.op(one_of(net.rng, ("maximum", "minimum")), x, constant)


def squared(net: RandomNetwork, x: Value) -> Value:
    """The squared difference to an earlier value of the same shape, or to a constant."""
    same = [v for v in net.kept if v.type.shape == x.type.shape and v is not x]
    quant = net.quant(float(net.rng.uniform(0.01, 0.05)), net.integer(-128, 127))
    other = one_of(net.rng, same) if same else net.constant((x.type.shape[-1],), quant)
    return net.pair("qsquared_difference", x, other, (net.real(x) - net.real(other)) ** 2)


def multiplied(net: RandomNetwork, x: Value) -> Value:
    """The matrices of the last two axes times themselves transposed, or times a constant that all of them share."""
    turned, last = net.chance(0.5), x.type.shape[-1]
    if net.chance(0.4):
        other, turned = x, True
    else:
        shape = (net.integer(2, 9), last)
        quant = net.quant(float(net.rng.uniform(0.01, 0.05)), net.integer(-20, 20))
        other = net.constant(shape if turned else shape[::-1], quant)
    a, b = net.real(x), net.real(other)
    product = a @ (np.swapaxes(b, -1, -2) if turned else b)
    return net.pair("qmatmul", x, other, product, **({"transpose_b": True} if turned else {}))


PAIRS = (gated, gated, levelled, with_constant, bent, limited, squared, multiplied)
# These have no form on int16.
INT8_PAIRS = (bent, squared)

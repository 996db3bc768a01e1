"""Fixed-point numbers as expressions of int64, for each row a stage: what ir/fixed_point.py computes in numpy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradlet.backends.tvm.expressions import total
from gradlet.backends.tvm.kernel import Case, Read
from gradlet.backends.tvm.package import te, tirx
from gradlet.backends.tvm.tables import constant_array
from gradlet.ir.fixed_point import LOG_BITS, LOG_FACTORS, NEWTON, SUM_BITS, constant

Rows = Callable[..., Any]


def wide(x: int) -> Any:
    return tirx.const(x, "int64")


def high_product(a: Any, b: Any) -> Any:
    return tirx.shift_right(a * b + wide(1 << 30), wide(31))


def saturated(x: Any) -> Any:
    return tirx.max(tirx.min(x, wide(2**31 - 1)), wide(-(2**31)))


def rounded(x: Any, bits: Any) -> Any:
    """x / 2^bits, the half up; of x not below 0 away from 0."""
    bits = wide(bits) if isinstance(bits, int) else bits
    return tirx.shift_right(x + tirx.shift_left(wide(1), bits - wide(1)), bits)


def divided(x: Any, bits: int) -> Any:
    """x / 2^bits, half away from zero."""
    return tirx.shift_right(x + wide(1 << (bits - 1)) - tirx.Select(x < wide(0), wide(1), wide(0)), wide(bits))


class SoftmaxRows:
    """The rows of an operand, with stages for what each has in common."""

    def __init__(self, case: Case, x: Read, exponentials: np.ndarray):
        (*self.rows, self.length) = case.shape(0)
        self._x, self._table = x, constant_array(exponentials.astype(np.int32), "exponentials")
        k = te.reduce_axis((0, self.length), name="k")
        self._largest = self.stage("largest", lambda *r: te.max(x(*r, k).astype("int32"), axis=k))
        self.sum = self.stage(
            "summed", lambda *r: total(lambda j: rounded(self.exponential(*r, j), SUM_BITS), [self.length])
        )

    def stage(self, name: str, element: Rows) -> Any:
        return te.compute(self.rows, element, name=name)

    def below(self, *i: Any) -> Any:
        """How far an element is below the largest of its row: int32."""
        return self._largest(*i[:-1]) - self._x(*i).astype("int32")

    def exponential(self, *i: Any) -> Any:
        return self._table(self.below(*i)).astype("int64")

    def leading_zeros(self, name: str, x: Rows) -> Any:
        return self.stage(name, lambda *r: tirx.clz(x(*r).astype("int32")).astype("int64"))

    def reciprocal(self, half: Rows) -> Rows:
        """q0 of 1 / (2 half)."""
        x = self.stage("start", lambda *r: high_product(half(*r), wide(NEWTON[1])) + wide(NEWTON[0]))
        for step in range(3):
            x = self.stage(f"newton{step}", _newton(x, half))
        return self.stage("inverse", lambda *r: saturated(x(*r) * wide(2)))

    def logarithm(self) -> Rows:
        """q5 of the logarithm of the sum."""
        z, root = self.sum, wide(constant(math.sqrt(0.5)))
        quarter, octave = wide(1 << (29 - LOG_BITS)), wide(31 - LOG_BITS)
        zeros = self.leading_zeros("zeros", z)
        lower = self.leading_zeros("lower", lambda *r: high_product(z(*r), root))

        def near(*r: Any) -> Any:
            a = saturated(high_product(tirx.shift_left(z(*r), zeros(*r) - wide(1)), root) * wide(2))
            return tirx.min(a, saturated(tirx.shift_left(z(*r), lower(*r) - wide(1))))

        def octaves(*r: Any) -> Any:
            a = tirx.shift_left(wide(SUM_BITS) - zeros(*r), octave) + quarter
            return tirx.max(a, tirx.shift_left(wide(SUM_BITS + 1) - lower(*r), octave) - quarter)

        middle = wide(constant(0.5**0.25))
        near = self.stage("near", near)
        q = self.stage("q", lambda *r: (near(*r) - middle) * wide(2))
        square = self.stage("square", lambda *r: high_product(q(*r), q(*r)))
        n, i, d, f = map(wide, LOG_FACTORS)

        def over(*r: Any) -> Any:
            whole = high_product(q(*r), near(*r)) + high_product(high_product(q(*r), square(*r)), n)
            return divided(whole, LOG_BITS)

        def half(*r: Any) -> Any:
            p = tirx.shift_right(near(*r) + middle + wide(1), wide(1))
            under = high_product(p, i + q(*r) + high_product(d, square(*r))) + high_product(f, q(*r))
            return tirx.shift_right(under + wide(2**31), wide(1))

        over, inverse = self.stage("over", over), self.reciprocal(self.stage("half", half))
        ln2 = wide(constant(math.log(2)))

        def logarithm(*r: Any) -> Any:
            return saturated((high_product(octaves(*r), ln2) + high_product(over(*r), inverse(*r))) * wide(2))

        return self.stage("logarithm", logarithm)


def _newton(x: Rows, half: Rows) -> Rows:
    def step(*r: Any) -> Any:
        rest = wide(1 << 29) - high_product(half(*r), x(*r))
        return x(*r) + saturated(high_product(x(*r), rest) * wide(4))

    return step

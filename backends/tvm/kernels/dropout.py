"""dropout: the random words of ir/random_bits.py, computed where they are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlet.backends.tvm.expressions import result
from gradlet.backends.tvm.kernel import Case, Kernel, Read, Result
from gradlet.backends.tvm.masks import flat_index
from gradlet.backends.tvm.package import te, tirx
from gradlet.ir.random_bits import STEP, mix, threshold


def _word(value: int) -> Any:
    """A 32-bit word in 64 bits: TVM takes it for granted that unsigned numbers do not overflow."""
    return tirx.const(value, "uint64")


def _low(x: Any) -> Any:
    return tirx.bitwise_and(x, _word(0xFFFFFFFF))


def _mix(x: Any) -> Any:
    """`random_bits.mix` as an expression."""
    x = _low(tirx.bitwise_xor(x, tirx.shift_right(x, _word(16))) * _word(0x7FEB352D))
    x = _low(tirx.bitwise_xor(x, tirx.shift_right(x, _word(15))) * _word(0x846CA68B))
    return tirx.bitwise_xor(x, tirx.shift_right(x, _word(16)))


def _dropout(case: Case, x: Read, counter: Read) -> Sequence[Result]:
    rate, shape = case.attrs["rate"], case.result.shape
    seeded = _word(int(mix(np.array([case.attrs["seed"] & 0xFFFFFFFF], np.uint32))[0]))
    number = counter().astype("uint32").astype("uint64")
    key = te.compute((), lambda: _mix(_low(seeded + number)), name="key")

    def kept(*i: Any) -> Any:
        return _mix(_low(key() + flat_index(i, shape).astype("uint64") * _word(STEP))) >= _word(threshold(rate))

    def element(*i: Any) -> Any:
        return tirx.Select(kept(*i), x(*i) * (1 / (1 - rate)), 0.0)

    following = result(case, lambda: _low(number + 1).astype("int32"), 2)
    return [result(case, element), result(case, kept, 1), following]


KERNELS = {"dropout": Kernel(_dropout)}

"""The random words of ir/random_bits.py as expressions, computed where they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradlet.backends.tvm.kernel import Read
from gradlet.backends.tvm.package import te, tirx
from gradlet.ir.random_bits import STEP, mix


def random_words(seed: int, counter: Read) -> Callable[[Any], Any]:
    """Word `index` of `random_bits(seed, counter)`, in 64 bits."""
    seeded = word(int(mix(np.array([seed & 0xFFFFFFFF], np.uint32))[0]))
    key = te.compute((), lambda: _mix(low(seeded + counter().astype("uint32").astype("uint64"))), name="key")
    return lambda index: _mix(low(key() + index.astype("uint64") * word(STEP)))


def word(value: int) -> Any:
    """A 32-bit word in 64 bits: TVM takes it for granted that unsigned numbers do not overflow."""
    return tirx.const(value, "uint64")


def low(x: Any) -> Any:
    return tirx.bitwise_and(x, word(0xFFFFFFFF))


def _mix(x: Any) -> Any:
    """`random_bits.mix` as an expression."""
    x = low(tirx.bitwise_xor(x, tirx.shift_right(x, word(16))) * word(0x7FEB352D))
    x = low(tirx.bitwise_xor(x, tirx.shift_right(x, word(15))) * word(0x846CA68B))
    return tirx.bitwise_xor(x, tirx.shift_right(x, word(16)))

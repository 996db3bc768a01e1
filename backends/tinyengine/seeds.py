"""The key of a random stream as kernels take it: what kernels/random_bits.h adds the counter to."""

from __future__ import annotations

import numpy as np

from gradlet.ir.random_bits import mix


def signed(word: int) -> int:
    """The int with the bits of a u32."""
    return word - 2**32 if word >= 2**31 else word


def seeded(seed: int) -> int:
    """mix(seed), as an int."""
    return signed(int(mix(np.array([seed & 0xFFFFFFFF], np.uint32))[0]))

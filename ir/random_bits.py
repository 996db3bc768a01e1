"""Random numbers that every target computes alike: a hash of seed, counter and index, in 32-bit integers only."""

from __future__ import annotations

import numpy as np

# Multiplier of the Weyl sequence: 2³² over the golden ratio, odd.
STEP = 0x9E3779B9


def mix(x: np.ndarray) -> np.ndarray:
    """The hash `lowbias32` of C. Wellons' hash-prospector: a bijection of u32, each bit depending on each."""
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    mixed: np.ndarray = x ^ (x >> np.uint32(16))
    return mixed


def random_bits(seed: int, counter: int, count: int, first: int = 0) -> np.ndarray:
    """`count` words u32 from `first` on: bits[i] = mix(key + STEP * i) with key = mix(mix(seed) + counter), modulo 2³².

    A counter-based generator in the manner of SplitMix (Steele, Lea, Flood, 2014): no state but the counter.
    """
    seeded = mix(np.array([seed & 0xFFFFFFFF], np.uint32))
    key = mix(seeded + np.array([counter & 0xFFFFFFFF], np.uint32))
    return mix(key + np.arange(first, first + count, dtype=np.uint32) * np.uint32(STEP))


def threshold(rate: float) -> int:
    """A word below it comes up with probability `rate`, to 2⁻³²."""
    return min(round(rate * 2**32), 2**32 - 1)

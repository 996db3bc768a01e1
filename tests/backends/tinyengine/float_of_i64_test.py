"""int64 become float32 as numpy converts them, where two roundings would differ from one."""

import ctypes

import numpy as np

from gradlet.backends.tinyengine.c_source import KERNELS
from gradlet.backends.tinyengine.host.compiler import Build
from gradlet.backends.tinyengine.host.library import Library

LOOP = b"""#include "float_of_i64.h"
void all(float *y, const int64_t *x, int n) { for (int i = 0; i < n; i++) y[i] = float_of_i64(x[i]); }
"""


def test_int64_are_rounded_once():
    powers = 1 << np.arange(63, dtype=np.int64)
    # Beside the middle of two floats, which lie 2^(e - 23) apart.
    middles = powers[25:, None] + (powers[25:, None] >> np.array([[24]])) + np.arange(-2, 3)
    drawn = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, 100_000)
    found = [powers, middles.ravel(), drawn >> np.arange(100_000) % 64, [2**63 - 1, 0]]
    x = np.concatenate([*found, *(-f for f in map(np.asarray, found)), [-(2**63)]]).astype(np.int64)
    y = np.empty(len(x), np.float32)
    library = Library(Build().library({"float_of_i64.h": (KERNELS / "float_of_i64.h").read_bytes(), "all.c": LOOP}))
    library.c.all(*(ctypes.c_void_p(a.ctypes.data) for a in (y, x)), ctypes.c_int(len(x)))
    library.close()
    np.testing.assert_array_equal(y, x.astype(np.float32))

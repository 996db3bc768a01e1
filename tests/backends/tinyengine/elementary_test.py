"""exp, log, tanh, sigmoid and erf: within the errors that elementary.h states, the same bits from every compiler."""

import ctypes
import math
import re
import shutil

import numpy as np
import pytest

from gradlet.backends.tinyengine.c_source import KERNELS
from gradlet.backends.tinyengine.host.compiler import Build, Compiler
from gradlet.backends.tinyengine.host.library import Library

WIDE = np.linspace(-110, 110, 400_001)
FINE = np.concatenate([np.linspace(-2, 2, 200_001), np.geomspace(1e-45, 1e-3, 50_001)])
POSITIVE = np.concatenate([np.geomspace(1e-45, 3e38, 300_001), np.linspace(0.5, 2, 200_001)])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.where(x < 0, np.exp(np.minimum(x, 0)), 1.0) / (1 + np.exp(-np.abs(x)))


MEANING = {
    "exp_f32": (np.exp, np.concatenate([WIDE, FINE])),
    "log_f32": (np.log, POSITIVE),
    "tanh_f32": (np.tanh, np.concatenate([WIDE / 8, FINE, -FINE])),
    "sigmoid_f32": (sigmoid, np.concatenate([WIDE, FINE])),
    "erf_f32": (np.vectorize(math.erf), np.concatenate([WIDE / 20, FINE, -FINE])),
}
UNITS = {
    function: float(units)
    for units, function in re.findall(
        r"// Error below ([\d.]+) units\.\nstatic inline float (\w+)", (KERNELS / "elementary.h").read_text()
    )
}


def library(build: Build) -> Library:
    loops = "".join(
        f"void {name}_all(float *y, const float *x, int n) {{ for (int i = 0; i < n; i++) y[i] = {name}(x[i]); }}\n"
        for name in MEANING
    )
    header = (KERNELS / "elementary.h").read_bytes()
    return Library(build.library({"elementary.h": header, "all.c": f'#include "elementary.h"\n{loops}'.encode()}))


def computed(name: str, x: np.ndarray, build: Build | None = None) -> np.ndarray:
    loaded = library(build or Build())
    y = np.empty_like(x)
    pointers = [a.ctypes.data_as(ctypes.POINTER(ctypes.c_float)) for a in (y, x)]
    getattr(loaded.c, f"{name}_all")(*pointers, ctypes.c_int(len(x)))
    loaded.close()
    return y


@pytest.mark.parametrize("name", MEANING)
def test_error_is_below_what_the_header_states(name: str):
    meaning, where = MEANING[name]
    x = where.astype(np.float32)
    with np.errstate(over="ignore", under="ignore"):
        expected = meaning(x.astype(np.float64))
        rounded = expected.astype(np.float32)
    found = computed(name, x)
    infinite = np.isinf(rounded)
    assert np.array_equal(found[infinite], rounded[infinite])
    unit = np.spacing(np.abs(rounded[~infinite])).astype(np.float64)
    error = np.abs(found[~infinite] - expected[~infinite]) / unit
    assert error.max() < UNITS[name], f"{error.max():.2f} at {x[~infinite][error.argmax()]!r}"


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("exp_f32", [0, np.inf, -np.inf, np.nan, 88.73, -104], [1, np.inf, 0, np.nan, np.inf, 0]),
        ("log_f32", [1, 0, -0.0, -1, np.inf, np.nan], [0, -np.inf, -np.inf, np.nan, np.inf, np.nan]),
        ("tanh_f32", [0, -0.0, np.inf, -np.inf, np.nan], [0, -0.0, 1, -1, np.nan]),
        ("erf_f32", [0, -0.0, np.inf, -np.inf, np.nan], [0, -0.0, 1, -1, np.nan]),
        ("sigmoid_f32", [0, np.inf, -np.inf, np.nan, -200], [0.5, 1, 0, np.nan, 0]),
    ],
)
def test_ends_of_the_line(name: str, x: list, expected: list):
    found = computed(name, np.array(x, np.float32))
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


@pytest.mark.parametrize("name", MEANING)
def test_compilers_agree_to_the_bit(name: str):
    found = [path for path in map(shutil.which, ("gcc", "clang")) if path]
    if len(found) < 2:
        pytest.skip("needs gcc and clang")
    x = MEANING[name][1].astype(np.float32)
    results = [computed(name, x, Build((level,), Compiler((path,)))) for path in found for level in ("-O0", "-O3")]
    assert all(r.tobytes() == results[0].tobytes() for r in results)

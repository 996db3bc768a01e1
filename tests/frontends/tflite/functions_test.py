"""Functions of one value: float32 as TensorFlow computes them, int8 to the bit for all 256 values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradlet.frontends.tflite.schema import ACTIVATIONS
from gradlet.ir.errors import CompileError
from gradlet.tests.frontends.tflite.imported import computed, imported, real
from gradlet.tests.frontends.tflite.operators import (
    activation,
    check_int8,
    f32,
    floats,
    integers,
    refused,
    single,
)
from gradlet.tests.frontends.tflite.written import Step, Written, interpreted, written

ALL = np.arange(-128, 128).astype(np.int8)[None]

# What is not among TensorFlow's reference kernels.
KERNELS = {"ELU": "BUILTIN_WITHOUT_DEFAULT_DELEGATES"}
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "GELU": [{"table": "GeluOptions", "approximate": a} for a in (False, True)],
    "LEAKY_RELU": [{"table": "LeakyReluOptions", "alpha": f32(a)} for a in (0.1, 1.3, -0.4)],
}
CLAMPS = ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1")
EVERYWHERE = ("ABS", "ELU", "EXP", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "NEG", "TANH", *CLAMPS)
POSITIVE = ("LOG", "RSQRT", "SQRT")
# Scale and zero point of the result, where TensorFlow asks for these.
RESULTS = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}
TABLES = 40


def cases(*names: str) -> list[tuple[str, dict[str, Any]]]:
    return [(name, options) for name in names for options in OPTIONS.get(name, [{}])]


@pytest.mark.parametrize(("name", "options"), cases(*EVERYWHERE, *POSITIVE, "SQUARE"))
@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (11,)])
def test_float(name, options, shape):
    x = 3 * floats(shape)
    x = np.abs(x) + np.float32(0.1) if name in POSITIVE else x
    data = single(name, [Written(shape, "float32")], Written(shape, "float32"), **options)
    wanted = interpreted(data, x, kernels=KERNELS.get(name, "BUILTIN_REF"))
    np.testing.assert_allclose(computed(imported(data), x), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "options"), cases(*EVERYWHERE, *POSITIVE))
def test_int8(name, options):
    """All 256 numbers, in tables of many scales."""
    rng = np.random.default_rng(0)
    for _ in range(TABLES):
        x_scale, x_zero = f32(10 ** rng.uniform(-2.5, -0.5)), int(rng.integers(-128, 120))
        y_scale, y_zero = f32(x_scale * 10 ** rng.uniform(-0.7, 0.7)), int(rng.integers(-128, 128))
        y_scale, y_zero = RESULTS.get(name, (y_scale, y_zero))
        if name == "NEG":
            x_zero, (y_scale, y_zero) = 0, (x_scale, 0)
        numbers = ALL[:, x_zero + 128 :] if name in POSITIVE else ALL
        y = activation(numbers.shape, y_scale, y_zero)
        data = single(name, [activation(numbers.shape, x_scale, x_zero)], y, **options)
        wanted = interpreted(data, numbers, kernels=KERNELS.get(name, "BUILTIN_REF"))
        message = f"{x_scale}, {x_zero} to {y_scale}, {y_zero}"
        np.testing.assert_array_equal(computed(imported(data), numbers), real(wanted, y_scale, y_zero), message)


@pytest.mark.parametrize("name", ["ABS", "RELU", "LEAKY_RELU"])
def test_scales_are_divided_in_float32(name):
    """Scales for which a ratio in double precision has another mantissa."""
    (options,) = OPTIONS.get(name, [{}])[:1]
    rng, found = np.random.default_rng(1), 0
    while found < 20:
        x_scale, y_scale = f32(rng.uniform(0.001, 0.1)), f32(rng.uniform(0.0001, 0.1))
        if f32(np.float32(x_scale) / np.float32(y_scale)) == x_scale / y_scale:
            continue
        found += 1
        y = activation(ALL.shape, y_scale, 10)
        check_int8(single(name, [activation(ALL.shape, x_scale, -30)], y, **options), y, ALL)


def softmax_inside(name: str, x: Written, y: Written, beta: float) -> bytes:
    """What follows keeps it from being the end of the model."""
    table, options = ("SoftmaxOptions", {"beta": beta}) if name == "SOFTMAX" else ("", {})
    return written([x, y, y], [Step(name, [0], [1], table, options), Step("RELU", [1], [2])], [0], [2])


@pytest.mark.parametrize(("name", "beta"), [("SOFTMAX", 1.0), ("SOFTMAX", 0.3), ("LOG_SOFTMAX", 1.0)])
@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (4, 11), (6,)])
def test_float_softmax(name, beta, shape):
    x, plain = 3 * floats(shape), Written(shape, "float32")
    data = softmax_inside(name, plain, plain, beta)
    np.testing.assert_allclose(computed(imported(data), x), interpreted(data, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("name", "beta"), [("SOFTMAX", 1.0), ("SOFTMAX", 0.3), ("SOFTMAX", 2.0), ("LOG_SOFTMAX", 1.0)])
@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (64, 10), (64, 1), (40, 201), (250,)])
def test_int8_softmax(shape, name, beta):
    """Sums of more than 256 make TensorFlow's kernel of SOFTMAX stop."""
    scale, zero = (1 / 256, -128) if name == "SOFTMAX" else (1 / 16, 127)
    for k, x_scale in enumerate((0.001, 0.0173, 0.1, 0.7, 3.0)):
        x, y = activation(shape, f32(x_scale), 5 * k), activation(shape, scale, zero)
        data = single(name, [x], y) if name == "LOG_SOFTMAX" else softmax_inside(name, x, y, f32(beta))
        for spread in (10, 60):
            drawn = np.clip(spread * floats(shape, k), -128, 127).astype(np.int8)
            wanted = real(interpreted(data, drawn), scale, zero)
            np.testing.assert_array_equal(computed(imported(data), drawn), wanted, f"{x_scale}")


@pytest.mark.parametrize("name", ["SQRT", "RSQRT"])
def test_roots_of_large_numbers(name):
    numbers, y = (
        np.arange(1, 128).astype(np.int8)[None],
        activation((1, 127), f32(0.004 if name == "RSQRT" else 0.06), -128),
    )
    check_int8(single(name, [activation((1, 127), 1.0, 0)], y), y, numbers)


def test_int8_scales_that_are_too_far_apart():
    for name in ("ABS", "HARD_SWISH", "RELU6"):
        with pytest.raises(CompileError, match="too far apart"):
            imported(single(name, [activation((1, 8), 1.0, 0)], activation((1, 8), f32(0.001), 0)))


@pytest.mark.parametrize("number", [k for k, name in enumerate(ACTIVATIONS) if name in CLAMPS])
@pytest.mark.parametrize(("scale", "zero"), [(0.05, -20), (0.02, -128), (0.003, 90), (0.0235, -128)])
def test_fused_clamps(number, scale, zero):
    """Of bounds that are not those of int8 as well."""
    shape, y = (2, 5, 5, 12), activation((2, 5, 5, 12), f32(scale), zero)
    x = [activation(shape, f32(0.03), 3), activation(shape, f32(0.04), -7)]
    data = single("ADD", x, y, table="AddOptions", fusedActivationFunction=number)
    check_int8(data, y, integers(shape, 1), integers(shape, 2))


def test_a_clamp_that_is_that_of_int8_is_no_op():
    y = activation((1, 256), f32(6 / 255), -128)
    data = single("ADD", [y, y], y, table="AddOptions", fusedActivationFunction=ACTIVATIONS.index("RELU6"))
    assert [node.op for node in imported(data).graph.nodes] == ["qadd", "dequantize"]


@pytest.mark.parametrize("dtype", ["float32", "int8"])
@pytest.mark.parametrize("name", ["TANH", "SIGN_BIT"])
def test_fused_activations_that_tensorflow_leaves_out(dtype, name):
    x = Written((1, 8), dtype, scales=[0.1] if dtype == "int8" else ())
    data = single("ADD", [x, x], x, table="AddOptions", fusedActivationFunction=ACTIVATIONS.index(name))
    assert f"ADD: activation {name}" in refused(data).what


@pytest.mark.parametrize(
    ("name", "x", "y", "reason"),
    [
        ("NEG", (0.1, 3), (0.1, 3), "in int8 with zero points"),
        ("NEG", (0.1, 0), (0.2, 0), "in int8 with zero points"),
        ("SQUARE", (0.1, 0), (0.1, 0), "SQUARE: in int8"),
        ("LOG_SOFTMAX", (0.1, 0), (0.1, 127), "in int8 with another scale for its result"),
    ],
)
def test_int8_that_is_not_supported(name, x, y, reason):
    assert reason in refused(single(name, [activation((1, 8), *x)], activation((1, 8), *y))).what

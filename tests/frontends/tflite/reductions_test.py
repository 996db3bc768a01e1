"""Sums, means and extremes over axes are TensorFlow's: int8 bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
from gradlet.tests.frontends.tflite.imported import computed, imported, real
from gradlet.tests.frontends.tflite.operators import (
    activation,
    check_float,
    check_int8,
    f32,
    floats,
    integers,
    refused,
    single,
)
from gradlet.tests.frontends.tflite.written import Written, constant, interpreted

SHAPE, TABLE = (6, 7, 5, 24), "ReducerOptions"
AXES = [(1, 2), (3,), (-1,), (0, 2), (1, 3), (0, 1, 2, 3), (2, -3), (0, 3), (1, 1)]


def reduced(axes: tuple[int, ...], *, keep: bool) -> tuple[int, ...]:
    gone = {a % len(SHAPE) for a in axes}
    return tuple(1 if a in gone else n for a, n in enumerate(SHAPE) if keep or a not in gone)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize(("scale", "zero"), [(0.0123, -5), (0.02, 3), (0.0071, -128)])
def test_int8_mean(axes, scale, zero, keep):
    y = activation(reduced(axes, keep=keep), f32(scale), zero)
    data = single("MEAN", [activation(SHAPE, f32(0.02), 3)], y, [axes_of(axes)], table=TABLE, keepDims=keep)
    check_int8(data, y, integers(SHAPE))


def axes_of(axes: tuple[int, ...]) -> Written:
    return constant(np.array(axes, np.int32))


@pytest.mark.parametrize("axes", [(1,), (0,)])
def test_int8_mean_of_many(axes):
    """Where rounding is rare, many are needed."""
    shape = (499, 1024) if axes == (1,) else (1024, 499)
    y = activation((499,), f32(0.0011), 7)
    data = single("MEAN", [activation(shape, f32(0.03), -7)], y, [axes_of(axes)], table=TABLE)
    check_int8(data, y, integers(shape))


@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize(("zero", "scale"), [(3, 0.31), (-128, 3.7), (127, 0.0713), (-128, 16 * 0.02)])
def test_int8_sum(axes, scale, zero):
    """The reference kernel of TensorFlow 2.21 computes nothing sensible here; its other one does."""
    y = activation(reduced(axes, keep=False), f32(scale), -7 - zero // 2)
    data = single("SUM", [activation(SHAPE, f32(0.02), zero)], y, [axes_of(axes)], table=TABLE)
    x = integers(SHAPE)
    wanted = interpreted(data, x, kernels="BUILTIN_WITHOUT_DEFAULT_DELEGATES")
    np.testing.assert_array_equal(computed(imported(data), x), real(wanted, y.scales[0], y.zero))


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("name", ["REDUCE_MAX", "REDUCE_MIN"])
def test_int8_extremes(name, axes, keep):
    y = activation(reduced(axes, keep=keep), f32(0.02), 3)
    data = single(name, [activation(SHAPE, f32(0.02), 3)], y, [axes_of(axes)], table=TABLE, keepDims=keep)
    check_int8(data, y, integers(SHAPE) // 2 + 30)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("axes", AXES, ids=str)
@pytest.mark.parametrize("name", ["SUM", "MEAN", "REDUCE_MAX", "REDUCE_MIN"])
def test_float(name, axes, keep):
    y = Written(reduced(axes, keep=keep), "float32")
    data = single(name, [Written(SHAPE, "float32")], y, [axes_of(axes)], table=TABLE, keepDims=keep)
    check_float(data, floats(SHAPE))


@pytest.mark.parametrize("name", ["SUM", "MEAN", "REDUCE_MAX"])
def test_axes_that_do_not_exist(name):
    x = Written((2, 3), "float32")
    with pytest.raises(CompileError, match=r"over axes \[2\] of 2") as caught:
        imported(single(name, [x], x, [axes_of((2,))], table=TABLE))
    assert caught.value.code == "GL118"


def test_int8_that_is_not_supported():
    y = activation((2,), 0.03, 3)
    data = single("REDUCE_MAX", [activation((2, 3), 0.02, 3)], y, [axes_of((1,))], table=TABLE)
    assert "in int8 with another scale for its result" in refused(data).what

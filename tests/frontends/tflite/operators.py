"""Models of one operator: written, run by TensorFlow's interpreter, and by what they are imported as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
from gradlet.tests.frontends.tflite.imported import computed, imported, real
from gradlet.tests.frontends.tflite.written import Step, Written, constant, interpreted, written

# Scale and zero point.
X, Y = (0.02, 3), (0.031, -5)


def f32(value: float) -> float:
    return float(np.float32(value))


def activation(shape: Sequence[int], scale: float, zero: int) -> Written:
    return Written(shape, scales=[scale], zero=zero)


def single(name: str, x: Sequence[Written], y: Written, constants: Sequence[Written] = (), **options: Any) -> bytes:
    """A model of one operator: inputs, then constants, are its operands."""
    operands = [*x, *constants]
    table = options.pop("table", "")
    step = Step(name, range(len(operands)), [len(operands)], table, options)
    return written([*operands, y], [step], range(len(x)), [len(operands)])


def check_int8(data: bytes, y: Written, *feeds: np.ndarray) -> None:
    wanted = interpreted(data, feeds)
    np.testing.assert_array_equal(computed(imported(data), *feeds), real(wanted, y.scales[0], y.zero))


def integers(shape: Sequence[int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def numbers(*values: object) -> Written:
    return constant(np.array(values, np.int32))


def floats(shape: Sequence[int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def check_float(data: bytes, *feeds: np.ndarray) -> None:
    np.testing.assert_allclose(computed(imported(data), *feeds), interpreted(data, feeds), rtol=1e-5, atol=1e-5)


def refused(data: bytes) -> CompileError:
    with pytest.raises(CompileError) as caught:
        imported(data)
    assert caught.value.code == "GL105" and caught.value.hint
    return caught.value

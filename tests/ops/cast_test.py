"""What cast makes of numbers that the other type does not have."""

import numpy as np
import pytest

from gradlet.ir.tensor_type import DType
from gradlet.tests.ops.cases import TOOLBOX


def cast(values: list[float], source: type, to: DType) -> list[float]:
    (y,) = TOOLBOX.ops["cast"].evaluate([np.array(values, source)], {"dtype": to.value})
    assert y.dtype == to.numpy
    return y.tolist()


@pytest.mark.parametrize(
    ("values", "to", "expected"),
    [
        ([1.9, -1.9, 0.5], DType.I32, [1, -1, 0]),
        ([200.0, -200.0], DType.I8, [127, -128]),
        ([-1.0, 300.0], DType.U8, [0, 255]),
        ([3e9, -3e9, np.inf, -np.inf], DType.I32, [2**31 - 1, -(2**31)] * 2),
        ([2.0**31, 2.0**31 - 128], DType.I32, [2**31 - 1, 2**31 - 128]),
        ([np.nan], DType.I16, [0]),
        ([0.0, -0.0, 1e-30, np.nan], DType.B1, [False, False, True, True]),
    ],
)
def test_floats_lose_their_fraction_and_saturate(values: list[float], to: DType, expected: list[float]):
    assert cast(values, np.float32, to) == expected


def test_integers_keep_their_low_bits():
    assert cast([257, -1, 128], np.int32, DType.I8) == [1, -1, -128]
    assert cast([257, -1], np.int32, DType.U8) == [1, 255]
    assert cast([3, 0], np.int32, DType.B1) == [True, False]


def test_masks_are_zeros_and_ones():
    assert cast([True, False], np.bool_, DType.F32) == [1.0, 0.0]

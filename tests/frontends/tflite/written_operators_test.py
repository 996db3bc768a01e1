"""Parameters of every kind of operator are written back, into whatever held them."""

from __future__ import annotations

import numpy as np
import pytest

from gradlet.tests.frontends.tflite.imported import computed, imported, real
from gradlet.tests.frontends.tflite.operators import X, activation, f32, floats, integers, single
from gradlet.tests.frontends.tflite.rewritten import rewritten
from gradlet.tests.frontends.tflite.written import Step, Written, constant, interpreted, written

F32 = "float32"
IMAGE, STRIDES = (1, 9, 9, 4), {"strideW": 1, "strideH": 1}
Model = tuple[bytes, Written, np.ndarray]


def _float(name: str, *constants: np.ndarray, result: tuple[int, ...] = IMAGE, **options: object) -> Model:
    y = Written(result, F32)
    return single(name, [Written(IMAGE, F32)], y, [constant(c) for c in constants], **options), y, floats(IMAGE, 1)


def _int8(name: str, weight: tuple[int, ...], axis: int, result: tuple[int, ...], **options: object) -> Model:
    y = activation(result, 0.13, -5)
    data = single(name, [activation(IMAGE, *X)], y, quantised_weights(weight, axis), **options)
    return data, y, integers(IMAGE, 1)


def quantised_weights(shape: tuple[int, ...], axis: int) -> list[Written]:
    """Weights, and a bias for inputs of scale X."""
    scales = [f32(s) for s in np.random.default_rng(0).uniform(0.01, 0.02, shape[axis])]
    bias = np.random.default_rng(0).integers(-5000, 5000, shape[axis]).astype(np.int32)
    told = [f32(np.float32(X[0]) * np.float32(s)) for s in scales]
    return [constant(integers(shape), scales=scales, axis=axis), constant(bias, scales=told)]


def _four_bits() -> Model:
    """Two weights a byte, the first in the lower half."""
    _, bias = quantised_weights((5, 3, 3, 4), 0)
    nibbles = np.random.default_rng(0).integers(-7, 8, 5 * 3 * 3 * 4).astype(np.uint8) & 15
    w = Written((5, 3, 3, 4), "int4", nibbles[::2] | nibbles[1::2] << 4, [f32(s / X[0]) for s in bias.scales])
    y, options = activation((1, 9, 9, 5), 0.05, -5), {"table": "Conv2DOptions", **STRIDES}
    return single("CONV_2D", [activation(IMAGE, *X)], y, [w, bias], **options), y, integers(IMAGE, 1)


def _hybrid() -> Model:
    """Weights of int8 that stand for floats: those that have learnt are floats."""
    w, y = constant(integers((6, 16)), scales=[f32(0.02)]), Written((3, 6), F32)
    data = single("FULLY_CONNECTED", [Written((3, 16), F32)], y, [w], table="FullyConnectedOptions")
    return data, y, floats((3, 16), 1)


def _transposed(int8: bool) -> Model:
    """Whose image is operand 2."""
    result, weight = (1, 19, 19, 5), (5, 3, 3, 4)
    if int8:
        x, y, constants = activation(IMAGE, *X), activation(result, 0.13, -5), quantised_weights(weight, 0)
    else:
        x, y = Written(IMAGE, F32), Written(result, F32)
        constants = [constant(floats(weight)), constant(floats((5,), 2))]
    tensors = [x, constant(np.array(result, np.int32)), *constants, y]
    options = {"strideW": 2, "strideH": 2, "padding": 1}
    step = Step("TRANSPOSE_CONV", [1, 2, 0, 3], [4], "TransposeConvOptions", options)
    return written(tensors, [step], [0], [4]), y, integers(IMAGE, 1) if int8 else floats(IMAGE, 1)


def _table() -> Model:
    tensors = [constant(floats((7, 3))), Written((12,), "int32"), Written((12, 3), F32)]
    data = written(tensors, [Step("GATHER", [0, 1], [2], "GatherOptions")], [1], [2])
    return data, tensors[2], (np.arange(12) * 3 % 7).astype(np.int32)


MODELS = {
    "int8_convolution": lambda: _int8("CONV_2D", (5, 3, 3, 4), 0, (1, 9, 9, 5), table="Conv2DOptions", **STRIDES),
    "int8_depthwise": lambda: _int8(
        "DEPTHWISE_CONV_2D", (1, 3, 3, 4), 3, IMAGE, table="DepthwiseConv2DOptions", depthMultiplier=1, **STRIDES
    ),
    "int8_dense": lambda: _int8("FULLY_CONNECTED", (5, 324), 0, (1, 5), table="FullyConnectedOptions"),
    "int8_transposed": lambda: _transposed(True),
    "int4_convolution": _four_bits,
    "convolution": lambda: _float("CONV_2D", floats((4, 3, 3, 4)), floats((4,), 2), table="Conv2DOptions", **STRIDES),
    "depthwise": lambda: _float(
        "DEPTHWISE_CONV_2D", floats((1, 3, 3, 4)), floats((4,), 2), table="DepthwiseConv2DOptions", **STRIDES
    ),
    "dense": lambda: _float(
        "FULLY_CONNECTED", floats((5, 324)), floats((5,), 2), result=(1, 5), table="FullyConnectedOptions"
    ),
    "hybrid_dense": _hybrid,
    "transposed": lambda: _transposed(False),
    "factor": lambda: _float("MUL", floats((4,)), table="MulOptions"),
    "offset": lambda: _float("ADD", floats((1, 9, 9, 4)), table="AddOptions"),
    "table": _table,
}


@pytest.mark.parametrize("name", MODELS)
def test_parameters(name):
    """`rewritten` reads them again."""
    data, y, x = MODELS[name]()
    changed = rewritten(data)
    found, expected = interpreted(changed, x), computed(imported(changed), x)
    if y.scales:
        np.testing.assert_array_equal(real(found, y.scales[0], y.zero), expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert (found != interpreted(data, x)).any()

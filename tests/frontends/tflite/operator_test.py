"""Each operator, with each of its options, does what it does in TensorFlow; others are told, all at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradlet.frontends.tflite.importer import ImportOptions, import_model
from gradlet.frontends.tflite.model import parse
from gradlet.ir.errors import CompileError
from gradlet.ir.plugin import load
from gradlet.ir.requantize import quantize_multiplier
from gradlet.tests.frontends.tflite.imported import computed, imported
from gradlet.tests.frontends.tflite.operators import (
    X,
    Y,
    activation,
    check_float,
    check_int8,
    f32,
    floats,
    integers,
    refused,
    single,
)
from gradlet.tests.frontends.tflite.written import Step, Written, constant, interpreted, written
from gradlet.tests.small_tflite import flatbuffer, small_model

# int8. Many elements: the ways to round differ in one of a hundred or fewer.

CONVOLUTIONS = {
    "point": ((1, 1), (1, 1), {}),
    "same": ((3, 3), (40, 40), {}),
    "valid": ((3, 2), (38, 39), {"padding": 1}),
    "halved": ((3, 3), (20, 20), {"strideW": 2, "strideH": 2}),
    "even_kernel": ((4, 2), (20, 14), {"strideW": 3, "strideH": 2}),
    "dilated": ((3, 3), (40, 40), {"dilationHFactor": 2, "dilationWFactor": 3}),
}


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("depthwise", [False, True])
def test_int8_convolution(name, per_channel, depthwise):
    kernel, size, options = CONVOLUTIONS[name]
    size = (40, 40) if kernel == (1, 1) else size
    rng, channels, outputs = np.random.default_rng(0), 8, 16
    shape = (1, *kernel, outputs) if depthwise else (outputs, *kernel, channels)
    scales = [f32(s) for s in rng.uniform(0.01, 0.02, outputs if per_channel else 1)]
    w = constant(integers(shape), scales=scales, axis=3 if depthwise else 0)
    bias = rng.integers(-5000, 5000, outputs).astype(np.int32)
    b = constant(bias, scales=[f32(np.float32(X[0]) * np.float32(s)) for s in scales])
    y = activation((1, *size, outputs), 0.17 if depthwise else 0.31, -5)
    table = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
    told = {"strideW": 1, "strideH": 1, **({"depthMultiplier": 2} if depthwise else {}), **options}
    op = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
    data = single(op, [activation((1, 40, 40, channels), *X)], y, [w, b], table=table, **told)
    check_int8(data, y, integers((1, 40, 40, channels), 1))


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_int8_dense(per_channel, bias):
    rng = np.random.default_rng(0)
    scales = [f32(s) for s in rng.uniform(0.01, 0.02, 64 if per_channel else 1)]
    constants = [constant(integers((64, 32)), scales=scales)]
    if bias:
        numbers = rng.integers(-5000, 5000, 64).astype(np.int32)
        constants.append(constant(numbers, scales=[f32(np.float32(X[0]) * np.float32(s)) for s in scales]))
    y = activation((512, 64), *Y)
    data = single("FULLY_CONNECTED", [activation((512, 32), *X)], y, constants, table="FullyConnectedOptions")
    check_int8(data, y, integers((512, 32), 1))


@pytest.mark.parametrize("op", ["CONV_2D", "FULLY_CONNECTED"])
def test_scales_are_multiplied_in_double_precision(op):
    """Where float32 would give another multiplier: sums that are rounded differently then."""
    rng, found = np.random.default_rng(0), 0
    while found < 4:
        sx, sw = (np.float32(s) for s in rng.uniform(0.01, 0.02, 2))
        sy = f32(float(sx) * float(sw) * rng.uniform(20, 600))
        ratios = float(sx) * float(sw) / sy, float(sx * sw) / sy
        sums = np.arange(-int(127 / ratios[0]), int(127 / ratios[0]), dtype=np.int64)
        rounded = [(sums * q + (1 << 30 - s)) >> 31 - s for q, s in map(quantize_multiplier, ratios)]
        close = sums[rounded[0] != rounded[1]][:8].astype(np.int32)
        if not len(close):
            continue
        found += 1
        ones = (1, 1, 1, 1) if op == "CONV_2D" else (1, 1)
        w = constant(np.ones((len(close), *ones[1:]), np.int8), scales=[float(sw)])
        b, y = constant(close, scales=[float(sx * sw)]), activation((*ones[:-1], len(close)), sy, 0)
        options = {"table": "FullyConnectedOptions"}
        if op == "CONV_2D":
            options = {"table": "Conv2DOptions", "strideW": 1, "strideH": 1}
        data = single(op, [activation(ones, float(sx), 0)], y, [w, b], **options)
        check_int8(data, y, np.zeros(ones, np.int8))


@pytest.mark.parametrize(
    "scales", [(0.03, 0.02, 0.05), (0.07, 0.02, 0.021), (0.02, 0.02, 0.04), (0.0078, 0.031, 0.0156)]
)
def test_int8_sum(scales):
    (s1, s2, sy), shape = map(f32, scales), (1, 64, 512)
    y = activation(shape, sy, 5)
    data = single("ADD", [activation(shape, s1, 3), activation(shape, s2, -7)], y, table="AddOptions")
    check_int8(data, y, integers(shape, 1), integers(shape, 2))


@pytest.mark.parametrize("axes", [(1, 2), (3,), (1,), (0, 1, 2)])
@pytest.mark.parametrize("scale", [0.0123, 0.02])
def test_int8_mean(axes, scale):
    shape = (64, 6, 6, 32)
    y = activation(tuple(n for a, n in enumerate(shape) if a not in axes), f32(scale), -5)
    data = single("MEAN", [activation(shape, *X)], y, [constant(np.array(axes, np.int32))], table="ReducerOptions")
    check_int8(data, y, integers(shape))


@pytest.mark.parametrize("ratio", [2.0, 0.5, 0.37, 1.0, 1.61])
def test_int8_to_another_scale(ratio):
    x = np.arange(-128, 128).astype(np.int8)[None]
    y = activation(x.shape, f32(X[0] * ratio), -5)
    check_int8(single("QUANTIZE", [activation(x.shape, *X)], y), y, x)


@pytest.mark.parametrize("name", ["RELU", "RELU6"])
def test_int8_activation(name):
    x = np.arange(-128, 128).astype(np.int8)[None]
    y = activation(x.shape, 0.0213, -128)
    check_int8(single(name, [activation(x.shape, 0.05, -20)], y), y, x)


@pytest.mark.parametrize("name", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize("padding", [0, 1])
def test_int8_pooling(name, padding):
    size = (5, 7) if padding == 0 else (4, 6)
    y = activation((2, *size, 16), *X)
    window = {"strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 3, "padding": padding}
    data = single(name, [activation((2, 9, 13, 16), *X)], y, table="Pool2DOptions", **window)
    check_int8(data, y, integers((2, 9, 13, 16)))


def test_int8_that_moves_elements():
    x, shape = integers((2, 4, 3)), (2, 4, 3)
    amounts = np.array([[0, 0], [1, 2], [3, 0]], np.int32)
    y = activation((2, 7, 6), *X)
    check_int8(single("PAD", [activation(shape, *X)], y, [constant(amounts)]), y, x)
    y = activation((4, 6), *X)
    check_int8(single("RESHAPE", [activation(shape, *X)], y, [constant(np.array([4, 6], np.int32))]), y, x)
    y = activation((3, 2, 4), *X)
    check_int8(single("TRANSPOSE", [activation(shape, *X)], y, [constant(np.array([2, 0, 1], np.int32))]), y, x)
    y = activation((2, 8, 3), *X)
    both = [activation(shape, *X)] * 2
    check_int8(single("CONCATENATION", both, y, table="ConcatenationOptions", axis=1), y, x, integers(shape, 1))


@pytest.mark.parametrize(
    ("amounts", "padding", "kept"), [([0, 2, 1, 0], 1, False), ([1, 1, 1, 1], 0, True), ([0, 1, 0, 0, 2], 1, True)]
)
def test_a_pad_before_a_convolution_becomes_its_padding(amounts, padding, kept):
    """Unless the convolution has padding of its own, or the pad adds channels."""
    (top, left, bottom, right), channels = amounts[:4], 3 + sum(amounts[4:])
    image, padded = (1, 20, 18, 3), (1, 20 + top + bottom, 18 + left + right, channels)
    shape = tuple(n - 2 if padding else n for n in padded[1:3])
    added = np.array([[0, 0], [top, bottom], [left, right], [0, channels - 3]], np.int32)
    w, b = (
        constant(integers((8, 3, 3, channels)), scales=[0.01]),
        constant(np.arange(8, dtype=np.int32), scales=[0.0002]),
    )
    y = activation((1, *shape, 8), *Y)
    tensors = [activation(image, *X), constant(added), activation(padded, *X), w, b, y]
    options = {"strideW": 1, "strideH": 1, "padding": padding}
    data = written(
        tensors, [Step("PAD", [0, 1], [2]), Step("CONV_2D", [2, 3, 4], [5], "Conv2DOptions", options)], [0], [5]
    )
    check_int8(data, y, integers(image, 1))
    assert any(node.op == "pad" for node in imported(data).graph.nodes) == kept


def test_between_floats_and_int8():
    x = np.concatenate([np.arange(-300, 300) * 0.5 * np.float32(0.05), np.linspace(-9, 9, 400)]).astype(np.float32)[
        None
    ]
    y = activation(x.shape, f32(0.05), 4)
    check_int8(single("QUANTIZE", [Written(x.shape, "float32")], y), y, x)
    q = np.arange(-128, 128).astype(np.int8)[None]
    data = single("DEQUANTIZE", [activation(q.shape, f32(0.05), 4)], Written(q.shape, "float32"))
    np.testing.assert_array_equal(computed(imported(data), q), interpreted(data, q))


# float32.

IMAGE = (2, 6, 5, 4)
SAME = {"strideW": 1, "strideH": 1}


FLOAT = {
    "conv": ("CONV_2D", [IMAGE], (2, 6, 5, 8), [floats((8, 3, 3, 4)), floats(8)], SAME, "Conv2DOptions"),
    "conv_relu6": (
        *("CONV_2D", [IMAGE], (2, 3, 2, 8), [3 * floats((8, 2, 2, 4)), floats(8)]),
        *({"strideW": 2, "strideH": 2, "padding": 1, "fusedActivationFunction": 3}, "Conv2DOptions"),
    ),
    "depthwise": (
        *("DEPTHWISE_CONV_2D", [IMAGE], (2, 6, 5, 8), [floats((1, 3, 3, 8)), floats(8)]),
        *(SAME | {"depthMultiplier": 2, "fusedActivationFunction": 1}, "DepthwiseConv2DOptions"),
    ),
    "dense": ("FULLY_CONNECTED", [(3, 6)], (3, 4), [floats((4, 6)), floats(4)], {}, "FullyConnectedOptions"),
    "dense_of_an_image": (
        *("FULLY_CONNECTED", [(2, 3, 2)], (2, 4), [floats((4, 6)), floats(4)]),
        *({"fusedActivationFunction": 1}, "FullyConnectedOptions"),
    ),
    "dense_of_rows": (
        *("FULLY_CONNECTED", [(2, 3, 2)], (2, 3, 4), [floats((4, 2))]),
        *({"keepNumDims": True}, "FullyConnectedOptions"),
    ),
    "add": ("ADD", [IMAGE, IMAGE], IMAGE, [], {"fusedActivationFunction": 2}, "AddOptions"),
    "add_a_constant": ("ADD", [IMAGE], IMAGE, [floats(4)], {}, "AddOptions"),
    "mul": ("MUL", [IMAGE, IMAGE], IMAGE, [], {}, "MulOptions"),
    "mul_a_constant": ("MUL", [IMAGE], IMAGE, [floats((1, 1, 1, 4))], {}, "MulOptions"),
    "sub": ("SUB", [IMAGE, (2, 1, 1, 4)], IMAGE, [], {}, "SubOptions"),
    "max_pool": (
        *("MAX_POOL_2D", [IMAGE], (2, 3, 3, 4), []),
        *({"strideW": 2, "strideH": 2, "filterWidth": 3, "filterHeight": 2}, "Pool2DOptions"),
    ),
    "average_pool": (
        *("AVERAGE_POOL_2D", [IMAGE], (2, 3, 3, 4), []),
        *({"strideW": 2, "strideH": 2, "filterWidth": 3, "filterHeight": 3}, "Pool2DOptions"),
    ),
    "mean": ("MEAN", [IMAGE], (2, 4), [np.array([1, -2], np.int32)], {}, "ReducerOptions"),
    "mean_kept": ("MEAN", [IMAGE], (2, 6, 5, 1), [np.array([3], np.int32)], {"keepDims": True}, "ReducerOptions"),
    "pad": ("PAD", [(2, 3)], (3, 7), [np.array([[1, 0], [2, 2]], np.int32)], {}, ""),
    "reshape": ("RESHAPE", [IMAGE], (2, 120), [np.array([2, -1], np.int32)], {}, ""),
    "squeeze": ("SQUEEZE", [(2, 1, 3, 1)], (2, 3), [], {}, ""),
    "transpose": ("TRANSPOSE", [IMAGE], (4, 2, 5, 6), [np.array([3, 0, 2, 1], np.int32)], {}, ""),
    "concatenation": (
        *("CONCATENATION", [IMAGE, (2, 6, 5, 3)], (2, 6, 5, 7), []),
        *({"axis": -1}, "ConcatenationOptions"),
    ),
    "relu": ("RELU", [IMAGE], IMAGE, [], {}, ""),
    "relu6": ("RELU6", [IMAGE], IMAGE, [], {}, ""),
    "logistic": ("LOGISTIC", [IMAGE], IMAGE, [], {}, ""),
    "tanh": ("TANH", [IMAGE], IMAGE, [], {}, ""),
    "hard_swish": ("HARD_SWISH", [IMAGE], IMAGE, [], {}, ""),
}


@pytest.mark.parametrize("name", FLOAT)
def test_float(name):
    op, shapes, y_shape, arrays, options, table = FLOAT[name]
    constants = [constant(array) for array in arrays]
    x, y = [Written(shape, "float32") for shape in shapes], Written(y_shape, "float32")
    data = single(op, x, y, constants, table=table, **options)
    feeds = [4 * floats(shape, k + 1) for k, shape in enumerate(shapes)]
    check_float(data, *feeds)


def test_weights_kept_in_float16():
    w, b = floats((4, 6)).astype(np.float16), floats(4).astype(np.float16)
    tensors = [
        Written((3, 6), "float32"),
        constant(w),
        constant(b),
        Written((4, 6), "float32"),
        Written((4,), "float32"),
    ]
    tensors.append(Written((3, 4), "float32"))
    steps = [Step("DEQUANTIZE", [1], [3]), Step("DEQUANTIZE", [2], [4])]
    data = written(tensors, [*steps, Step("FULLY_CONNECTED", [0, 3, 4], [5], "FullyConnectedOptions")], [0], [5])
    x = floats((3, 6), 1)
    check_float(data, x)


def test_a_softmax_inside():
    tensors = [Written((3, 6), "float32")] * 3
    data = written(
        tensors, [Step("SOFTMAX", [0], [1], "SoftmaxOptions", {"beta": 1.0}), Step("TANH", [1], [2])], [0], [2]
    )
    x = floats((3, 6))
    np.testing.assert_allclose(computed(imported(data), x), interpreted(data, x), rtol=1e-5, atol=1e-6)


# What is not supported.


def test_all_that_is_not_supported_is_told_at_once():
    x = Written((2, 6), "float32")
    steps = [
        Step("CUMSUM", [0], [1]),
        Step("RELU", [1], [2]),
        Step("CUSTOM", [2], [3], custom="MyOp"),
        Step("CUMSUM", [3], [4]),
        Step("SQUARE", [5], [6]),
    ]
    q = activation((2, 6), *X)
    error = refused(written([*[x] * 5, q, q], steps, [0, 5], [4, 6]))
    assert error.what.splitlines() == [
        "not supported:",
        "  CUMSUM at t1, t4",
        "  CUSTOM:MyOp at t3",
        "  SQUARE: in int8 at t6",
    ]


def test_a_plugin_brings_a_converter(tmp_path, monkeypatch):
    code = """
from gradlet.ir.plugin import Plugin

CONVERTERS = {"CUSTOM:MyOp": lambda b, op: b("tanh", b.x(op))}
PLUGIN = Plugin("mine", converters={"tflite": (f"{__name__}:CONVERTERS",)})
"""
    (tmp_path / "tflite_plugin.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    x = Written((2, 6), "float32")
    data = written([x, x], [Step("CUSTOM", [0], [1], custom="MyOp")], [0], [1])
    tools = load(["tflite_plugin:PLUGIN"], installed=False)
    graph = import_model(parse(data), ImportOptions(), tools, "net").graph
    assert [node.op for node in graph.nodes] == ["tanh"]


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (Written((2, 6), "float32", signature=(2, -1)), "sizes that are open, besides the batch at t0"),
        (Written((2, 6), "string"), "elements of type STRING at t0"),
        (Written((2, 6), "int16", scales=[0.1]), "an input of type INT16 at t0"),
    ],
)
def test_inputs_that_are_not_supported(tensor, reason):
    y = replace(tensor, signature=())
    assert reason in refused(written([tensor, y], [Step("RELU", [0], [1])], [0], [1])).what


@pytest.mark.parametrize(
    ("op", "x", "y", "constants", "reason"),
    [
        ("ADD", [(2, 6)], (2, 6), [], "operand 1"),
        ("DIV", [(2, 6), (2, 6)], (2, 6), [], "DIV: in int8"),
        ("RESHAPE", [(2, 6)], (12,), [], "with another scale for its result"),
    ],
)
def test_int8_that_is_not_supported(op, x, y, constants, reason):
    z = activation(y, *Y)
    with pytest.raises(CompileError) as caught:
        imported(single(op, [activation(shape, *X) for shape in x], z, [constant(c) for c in constants]))
    assert reason in caught.value.what


def test_several_subgraphs():
    content = small_model()
    content["subgraphs"] *= 3
    assert "2 subgraphs besides the first" in refused(flatbuffer(content)).what

"""Transposed, grouped and dilated convolutions do what they do in TensorFlow, and their weights learn."""

from __future__ import annotations

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
from gradlet.tests.frontends.tflite.imported import computed, imported, real
from gradlet.tests.frontends.tflite.keras_models import converted_by
from gradlet.tests.frontends.tflite.operators import (
    X,
    activation,
    check_float,
    check_int8,
    f32,
    floats,
    integers,
    numbers,
    single,
)
from gradlet.tests.frontends.tflite.written import Step, Written, constant, interpreted, tensorflow, written

SMALL = (2, 6, 6, 8)


def quantised_weights(shape: tuple[int, ...], axis: int, per_channel: bool = True) -> list[Written]:
    """Weights, and a bias for inputs of scale X."""
    rng, outputs = np.random.default_rng(0), shape[axis]
    scales = [f32(s) for s in rng.uniform(0.01, 0.02, outputs if per_channel else 1)]
    bias = rng.integers(-5000, 5000, outputs).astype(np.int32)
    told = [f32(np.float32(X[0]) * np.float32(s)) for s in scales]
    return [constant(integers(shape), scales=scales, axis=axis), constant(bias, scales=told)]


# Kernel, strides, padding (0 is SAME), height and width before and after.
TRANSPOSED = {
    "doubled": ((3, 3), (2, 2), 0, (20, 22), (40, 44)),
    "doubled_by_blocks": ((2, 2), (2, 2), 1, (20, 22), (40, 44)),
    "valid": ((4, 3), (2, 3), 1, (18, 13), (38, 39)),
    "strides_above_the_kernel": ((2, 1), (3, 2), 1, (11, 20), (33, 40)),
    "strides_above_the_kernel_same": ((2, 1), (3, 2), 0, (11, 20), (33, 40)),
    "odd_size": ((3, 3), (2, 2), 0, (20, 22), (39, 43)),
    "one": ((3, 5), (1, 1), 0, (40, 30), (40, 30)),
    "point": ((1, 1), (1, 1), 1, (40, 30), (40, 30)),
    "cut": ((3, 3), (4, 4), 1, (10, 9), (39, 35)),
}


def transposed(name: str, inputs: int, outputs: int, batch: int = 2):
    """(input shape, weight shape, result shape, operand `output_shape`, options)."""
    kernel, (height, width), padding, before, after = TRANSPOSED[name]
    options = {"table": "TransposeConvOptions", "strideH": height, "strideW": width, "padding": padding}
    result = (batch, *after, outputs)
    return (batch, *before, inputs), (outputs, *kernel, inputs), result, numbers(*result), options


def transpose_conv(x: Written, y: Written, constants: list[Written], options: dict) -> bytes:
    """The images are operand 2."""
    size, *rest = constants
    tensors, table = [x, size, *rest, y], options.pop("table")
    operands = [1, 2, 0, *range(3, len(tensors) - 1)]
    step = Step("TRANSPOSE_CONV", operands, [len(tensors) - 1], table, options)
    return written(tensors, [step], [0], [len(tensors) - 1])


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", TRANSPOSED)
def test_int8_transposed_convolution(name, bias, per_channel):
    shape, weight, result, size, options = transposed(name, 7, 12)
    y, constants = activation(result, 0.13, -5), [size, *quantised_weights(weight, 0, per_channel)]
    data = transpose_conv(activation(shape, *X), y, constants if bias else constants[:2], options)
    check_int8(data, y, integers(shape, 1))


@pytest.mark.parametrize("activated", [1, 3])
def test_int8_transposed_convolution_with_an_activation(activated):
    """Which clamps within int8."""
    shape, weight, result, size, options = transposed("doubled", 7, 12)
    y, options["fusedActivationFunction"] = activation(result, 0.05, -20), activated
    data = transpose_conv(activation(shape, *X), y, [size, *quantised_weights(weight, 0)], options)
    check_int8(data, y, integers(shape, 1))


@pytest.mark.parametrize("activated", [0, 3])
@pytest.mark.parametrize("name", TRANSPOSED)
def test_float_transposed_convolution(name, activated):
    shape, weight, result, size, options = transposed(name, 3, 4)
    constants = [size, constant(floats(weight)), constant(floats((4,)))]
    options["fusedActivationFunction"] = activated
    data = transpose_conv(Written(shape, "float32"), Written(result, "float32"), constants, options)
    check_float(data, floats(shape, 1))


@pytest.mark.parametrize("int8", [False, True])
def test_weights_of_a_transposed_convolution_keep_the_layout_of_the_file(int8):
    shape, weight, result, size, options = transposed("valid", 3, 4)
    if int8:
        constants = quantised_weights(weight, 0)
        x, y = activation(shape, *X), activation(result, 0.13, -5)
    else:
        constants = [constant(floats(weight))]
        x, y = Written(shape, "float32"), Written(result, "float32")
    graph = imported(transpose_conv(x, y, [size, *constants], options)).graph
    state = next(s for s in graph.states if s.source and s.source.name.endswith("weight"))
    np.testing.assert_array_equal(state.source.to_user(state.init), constants[0].content)
    np.testing.assert_array_equal(state.source.to_ir(constants[0].content, state.init.shape), state.init)


@pytest.mark.parametrize("int8", [False, True])
def test_grouped_convolution(int8):
    shape, weight, options = (2, 20, 21, 12), (8, 3, 3, 3), {"strideW": 1, "strideH": 1, "table": "Conv2DOptions"}
    if int8:
        y = activation((2, 20, 21, 8), 0.17, -5)
        check_int8(
            single("CONV_2D", [activation(shape, *X)], y, quantised_weights(weight, 0), **options),
            y,
            integers(shape, 1),
        )
    else:
        x, y = Written(shape, "float32"), Written((2, 20, 21, 8), "float32")
        check_float(
            single("CONV_2D", [x], y, [constant(floats(weight)), constant(floats((8,)))], **options), floats(shape, 1)
        )


# Blocks, what is added, what is cut off, padding of the convolution (1 is VALID), whether one convolution does it all.
DILATED = {
    "as_tensorflow_writes_it": ([2, 2], [[2, 3], [2, 4]], [[0, 1], [0, 2]], 1, True),
    "nothing_added": ([3, 2], [[0, 2], [0, 0]], [[0, 0], [0, 0]], 1, True),
    "same": ([2, 3], [[0, 1], [1, 1]], [[0, 1], [1, 1]], 0, True),
    "cut_before": ([2, 2], [[1, 0], [0, 0]], [[3, 0], [0, 1]], 1, False),
}


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("name", DILATED)
def test_dilated_convolution(name, depthwise, int8):
    block, added, cut, padding, one = DILATED[name]
    images, outputs = (2, 13, 16, 4), 8
    grown = [images[1 + k] + sum(added[k]) for k in (0, 1)]
    batches = (2 * block[0] * block[1], *(n // k for n, k in zip(grown, block, strict=True)), 4)
    small = tuple(n - 2 * padding for n in batches[1:3])
    made = (batches[0], *small, outputs)
    result = (2, *(n * k - sum(c) for n, k, c in zip(small, block, cut, strict=True)), outputs)
    weight = (1, 3, 3, outputs) if depthwise else (outputs, 3, 3, 4)
    constants = (
        quantised_weights(weight, 3 if depthwise else 0) if int8 else [constant(floats(weight)), constant(floats((8,)))]
    )

    def tensor(shape: tuple[int, ...], last: bool = False) -> Written:
        return activation(shape, *((0.17, -5) if last else X)) if int8 else Written(shape, "float32")

    tensors = [
        *(tensor(images), numbers(*block), numbers(*added), tensor(batches), *constants, tensor(made, last=True)),
        *(numbers(*cut), tensor(result, last=True)),
    ]
    op, table = ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions") if depthwise else ("CONV_2D", "Conv2DOptions")
    options = {"strideW": 1, "strideH": 1, "padding": padding} | ({"depthMultiplier": 2} if depthwise else {})
    options |= {} if int8 else {"fusedActivationFunction": 1}
    steps = [
        Step("SPACE_TO_BATCH_ND", [0, 1, 2], [3]),
        Step(op, [3, 4, 5], [6], table, options),
        Step("BATCH_TO_SPACE_ND", [6, 1, 7], [8]),
    ]
    data = written(tensors, steps, [0], [8])
    if int8:
        check_int8(data, tensors[-1], integers(images, 1))
    else:
        check_float(data, floats(images, 1))
    found = [node.op for node in imported(data).graph.nodes]
    assert ("transpose" not in found) == one
    if one:
        assert len(found) == (2 if int8 else 3)
        assert [n.attrs["dilation"] for n in imported(data).graph.nodes if "dilation" in n.attrs] == [tuple(block)]


@pytest.mark.parametrize("padding", [0, 1])
def test_dilated_convolution_of_signals(padding):
    """As TensorFlow writes it: the signals become images of height 1 between the two."""
    made = 7 - 2 * padding
    options = {"strideW": 1, "strideH": 1, "padding": padding}
    tensors = [
        *(activation((3, 12, 4), *X), numbers(2), numbers([1, 1]), activation((6, 7, 4), *X)),
        *(activation((6, 1, 7, 4), *X), *quantised_weights((5, 1, 3, 4), 0), activation((6, 1, made, 5), 0.17, -5)),
        *(activation((6, made, 5), 0.17, -5), numbers([0, 1]), activation((3, 2 * made - 1, 5), 0.17, -5)),
        *(numbers(6, 1, 7, 4), numbers(6, made, 5)),
    ]
    steps = [
        Step("SPACE_TO_BATCH_ND", [0, 1, 2], [3]),
        Step("RESHAPE", [3, 11], [4]),
        Step("CONV_2D", [4, 5, 6], [7], "Conv2DOptions", options),
        Step("RESHAPE", [7, 12], [8]),
        Step("BATCH_TO_SPACE_ND", [8, 1, 9], [10]),
    ]
    data = written(tensors, steps, [0], [10])
    check_int8(data, tensors[10], integers((3, 12, 4), 1))
    ops = [node.op for node in imported(data).graph.nodes]
    assert ops == ["reshape", "qconv2d", "reshape", "dequantize"]


@pytest.mark.parametrize(("amounts", "kept"), [([2, 1], False), ([0, 3], False), ([2, 1, 1], True)])
def test_a_pad_before_a_convolution_of_signals_becomes_its_padding(amounts, kept):
    """Unless it adds channels."""
    channels = 4 + sum(amounts[2:])
    tensors = [
        *(
            activation((3, 12, 4), *X),
            numbers([0, 0], amounts[:2], [0, channels - 4]),
            activation((3, 15, channels), *X),
        ),
        *(numbers(3, 1, 15, channels), activation((3, 1, 15, channels), *X)),
        *(*quantised_weights((5, 1, 3, channels), 0), activation((3, 1, 13, 5), 0.17, -5)),
    ]
    options = {"strideW": 1, "strideH": 1, "padding": 1}
    steps = [
        Step("PAD", [0, 1], [2]),
        Step("RESHAPE", [2, 3], [4]),
        Step("CONV_2D", [4, 5, 6], [7], "Conv2DOptions", options),
    ]
    data = written(tensors, steps, [0], [7])
    check_int8(data, tensors[7], integers((3, 12, 4), 1))
    assert ("pad" in {node.op for node in imported(data).graph.nodes}) == kept


@pytest.mark.parametrize("kind", ["float", "int8"])
def test_a_converted_model_with_an_open_batch(kind):
    keras = tensorflow().keras
    layers, rng, shape = keras.layers, np.random.default_rng(0), (12, 10, 3)
    x = image = keras.Input(shape)
    for layer in (
        layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2D(8, 3, dilation_rate=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(6, 3, 2, padding="same", activation="relu"),
        layers.UpSampling2D(2, interpolation="bilinear"),
        layers.DepthwiseConv2D(3, dilation_rate=3),
    ):
        x = layer(x)
    data = converted_by(tensorflow().lite.TFLiteConverter.from_keras_model(keras.Model(image, x)), kind, shape, rng)
    program, int8 = imported(data, batch=2), kind == "int8"
    assert not {"transpose", "gather"} & {node.op for node in program.graph.nodes}
    feed = integers((2, *shape)) if int8 else floats((2, *shape))
    wanted = np.concatenate([interpreted(data, sample[None]) for sample in feed])
    if not int8:
        np.testing.assert_allclose(computed(program, feed), wanted, rtol=1e-5, atol=1e-5)
        return
    attrs = program.graph.nodes[-1].attrs
    np.testing.assert_array_equal(computed(program, feed), real(wanted, attrs["scale"], attrs["zero_point"]))


# Files that contradict themselves.


@pytest.mark.parametrize(
    ("weight", "result", "reason"),
    [
        ((4, 3, 3, 5), (2, 12, 12, 4), "weights [4, 3, 3, 5] for"),
        ((4, 3, 3, 8), (2, 12, 12, 5), "makes [2, 12, 12, 4], the file"),
        ((4, 3, 3, 8), (1, 12, 12, 4), "makes [2, 12, 12, 4], the file"),
        ((4, 3, 3, 8), (2, 14, 12, 4), "does not make [2, 14, 12, 4]"),
        ((4, 3, 24), (2, 12, 12, 4), "weights [4, 3, 24]"),
        ((4, 3, 3, 8), (2, 12, 2, 4), "does not fit"),
    ],
)
def test_a_transposed_convolution_that_contradicts_itself(weight, result, reason):
    options = {"table": "TransposeConvOptions", "strideH": 2, "strideW": 2, "padding": int("fit" in reason)}
    x, y, constants = (
        Written(SMALL, "float32"),
        Written(result, "float32"),
        [numbers(*result), constant(floats(weight))],
    )
    with pytest.raises(CompileError) as caught:
        imported(transpose_conv(x, y, constants, options))
    assert caught.value.code == "GL118"
    assert reason in caught.value.what

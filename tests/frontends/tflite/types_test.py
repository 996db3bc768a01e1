"""Element types: pixels, numbers of words, weights in fewer bits than activations, channels that are constant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir.passes import Context
from gradlet.ir.tensor_type import DType
from gradlet.optimizers.compilation import optimize
from gradlet.tests.frontends.tflite.imported import computed, imported, real, toolbox
from gradlet.tests.frontends.tflite.operators import X, activation, check_float, f32, floats, integers, refused, single
from gradlet.tests.frontends.tflite.written import Step, Written, constant, interpreted, tensorflow, written
from gradlet.tests.small_tflite import flatbuffer, small_model
from gradlet.tools.api import compile_module


def pixels(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def in_types(net: Any, rng: np.random.Generator, input_type: str, output_type: str) -> bytes:
    """An int8 model whose ends have these types."""
    tf = tensorflow()
    lite = tf.lite
    converter = lite.TFLiteConverter.from_keras_model(net)
    converter.optimizations = [lite.Optimize.DEFAULT]
    shape = net.inputs[0].shape
    converter.representative_dataset = lambda: ([rng.uniform(-1, 1, shape).astype(np.float32)] for _ in range(8))
    converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type, converter.inference_output_type = getattr(tf, input_type), getattr(tf, output_type)
    return bytes(converter.convert())


def small_net(softmax: bool = False) -> Any:
    keras = tensorflow().keras
    keras.utils.set_random_seed(3)
    layers = keras.layers
    image = keras.Input((12, 12, 3), batch_size=1)
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(image)
    x = layers.Dense(5)(layers.Flatten()(layers.MaxPooling2D()(x)))
    return keras.Model(image, layers.Softmax()(x) if softmax else x)


# Pixels.


@pytest.mark.parametrize("output", ["uint8", "float32"])
def test_pixels_are_fed_as_they_are(output):
    data = in_types(small_net(), np.random.default_rng(0), "uint8", output)
    program = imported(data)
    assert [str(value.type) for value in program.graph.inputs] == ["u8[1,12,12,3]"]
    details = tensorflow().lite.Interpreter(model_content=data).get_output_details()[0]
    for seed in range(8):
        x = pixels((1, 12, 12, 3), seed)
        wanted = interpreted(data, x)
        wanted = real(wanted, *details["quantization"]) if output == "uint8" else wanted
        np.testing.assert_array_equal(computed(program, x), wanted)


def test_a_softmax_before_uint8_is_the_losss():
    program = imported(in_types(small_net(softmax=True), np.random.default_rng(0), "uint8", "uint8"))
    assert program.graph.outputs[0].name == "logits"
    assert not any(node.op == "softmax" for node in program.graph.nodes)


@pytest.mark.parametrize(("scale", "zero"), [(0.02, -3), (0.02, -6), (0.0137, 4), (0.31, 0)])
def test_every_pixel_to_int8(scale, zero):
    x, y = np.arange(256, dtype=np.uint8)[None], activation((1, 256), f32(scale), zero)
    data = single("QUANTIZE", [Written((1, 256), "uint8", scales=[f32(0.02)], zero=125)], y)
    np.testing.assert_array_equal(computed(imported(data), x), real(interpreted(data, x), f32(scale), zero))


@pytest.mark.parametrize("name", ["QUANTIZE", "DEQUANTIZE"])
def test_between_floats_and_uint8(name):
    q = Written((1, 256), "uint8", scales=[f32(0.05)], zero=100)
    if name == "DEQUANTIZE":
        data, x = single(name, [q], Written((1, 256), "float32")), np.arange(256, dtype=np.uint8)[None]
        np.testing.assert_array_equal(computed(imported(data), x), interpreted(data, x))
    else:
        data, x = single(name, [Written((1, 256), "float32")], q), np.linspace(-9, 11, 256, dtype=np.float32)[None]
        np.testing.assert_array_equal(computed(imported(data), x), real(interpreted(data, x), f32(0.05), 100))


def test_pixels_that_the_model_itself_makes_floats():
    """As `layers.Rescaling` before everything else does, of uint8 without a scale."""
    tensors = [Written((1, 256), "uint8"), Written((1, 256), "float32"), constant(np.float32([1 / 255]))]
    steps = [Step("CAST", [0], [1], "CastOptions"), Step("MUL", [1, 2], [3], "MulOptions")]
    check_float(
        written([*tensors, Written((1, 256), "float32")], steps, [0], [3]), np.arange(256, dtype=np.uint8)[None]
    )


def test_models_that_compute_in_uint8_are_refused():
    """Of TensorFlow 1."""
    image = Written((1, 4, 4, 2), "uint8", scales=[f32(0.02)], zero=128)
    w = constant(pixels((3, 1, 1, 2)), scales=[f32(0.01)], zero=120)
    y = Written((1, 4, 4, 3), "uint8", scales=[f32(0.03)], zero=9)
    error = refused(single("CONV_2D", [image], y, [w], table="Conv2DOptions", strideW=1, strideH=1))
    assert "CONV_2D: UINT8 to UINT8" in error.what and "convert the model in float32, or in full int8" in error.hint


# Casts.

CASTS = [("float32", "int32"), ("int32", "float32"), ("int8", "float32"), ("uint8", "int32"), ("bool", "float32")]
CASTS += [("float32", "bool"), ("int64", "float32"), ("int32", "int64"), ("int64", "int32"), ("int8", "int32")]


@pytest.mark.parametrize(("source", "to"), CASTS)
def test_casts(source, to):
    x = np.arange(-300, 300).reshape(2, 300) / 2 if source == "float32" else np.arange(600).reshape(2, 300) % 100
    x = (x % 2).astype(np.int32) if source == "bool" else x.astype(source)
    first = Step("CAST", [0], [1], "CastOptions")
    inner = [Written(x.shape, source), Written(x.shape, to), Written(x.shape, "float32")]
    if source == "bool":  # not fed: made of integers
        tensors = [Written(x.shape, "int32"), *inner]
        steps = [Step("CAST", [k], [k + 1], "CastOptions") for k in range(3)]
        data = written(tensors[:3], steps[:2], [0], [2])
    else:
        data = written(inner[:2], [first], [0], [1])
    program = imported(data)
    fed = x.astype(np.int32) if x.dtype == np.int64 else x
    found, wanted = computed(program, fed), interpreted(data, x)
    np.testing.assert_array_equal(found, wanted)


# Words.


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("kind", ["float", "dynamic_range", "int8"])
def test_a_model_that_reads_words(kind, dtype):
    """An embedding; the numbers of words are fed as int32."""
    keras, lite = tensorflow().keras, tensorflow().lite
    keras.utils.set_random_seed(0)
    words = keras.Input((8,), batch_size=1, dtype=dtype)
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(300, 16)(words))
    net = keras.Model(words, keras.layers.Dense(4)(x))
    converter, rng = lite.TFLiteConverter.from_keras_model(net), np.random.default_rng(0)
    if kind != "float":
        converter.optimizations = [lite.Optimize.DEFAULT]
    if kind == "int8":
        converter.representative_dataset = lambda: ([rng.integers(0, 300, (1, 8)).astype(dtype)] for _ in range(8))
    data = bytes(converter.convert())
    program = imported(data)
    assert [str(value.type) for value in program.graph.inputs] == ["i32[1,8]"]
    for _ in range(4):
        x = rng.integers(0, 300, (1, 8))
        found, wanted = computed(program, x.astype(np.int32)), interpreted(data, x.astype(dtype))
        tolerance = {"float": 1e-6, "dynamic_range": 2e-3, "int8": 0.0}[kind]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance)


# Weights in integers, activations in floats.


def layer(op: str, weight: np.ndarray, x: tuple[int, ...], y: tuple[int, ...], **quantised: Any) -> bytes:
    options = {} if op == "FULLY_CONNECTED" else {"strideW": 1, "strideH": 1}
    options |= {"depthMultiplier": 1} if op == "DEPTHWISE_CONV_2D" else {}
    tables = {"FULLY_CONNECTED": "FullyConnectedOptions", "CONV_2D": "Conv2DOptions"}
    constants = [constant(weight, **quantised), constant(floats((y[-1],)))]
    table = tables.get(op, "DepthwiseConv2DOptions")
    return single(op, [Written(x, "float32")], Written(y, "float32"), constants, table=table, **options)


# Shapes of x, y and the weight; its axis of output channels; whether each has a scale.
HYBRID = {
    "dense": ("FULLY_CONNECTED", (4, 64), (4, 32), (32, 64), 0, False),
    "conv": ("CONV_2D", (2, 8, 8, 16), (2, 8, 8, 12), (12, 3, 3, 16), 0, True),
    "conv_of_one_scale": ("CONV_2D", (2, 8, 8, 16), (2, 8, 8, 12), (12, 3, 3, 16), 0, False),
    "depthwise": ("DEPTHWISE_CONV_2D", (2, 8, 8, 16), (2, 8, 8, 16), (1, 3, 3, 16), 3, True),
}


@pytest.mark.parametrize("name", HYBRID)
def test_weights_in_integers_before_activations_in_floats(name):
    """They are those of the weights' real numbers.

    TensorFlow rounds each sample to int8 first, up to half of a 127th of its largest activation: what is lost then is
    at most that times the sum of a channel's weights.
    """
    op, x_shape, y_shape, w_shape, axis, per_channel = HYBRID[name]
    weight = np.maximum(integers(w_shape), -127)  # with -128, TensorFlow's own dense kernel is wrong on x86
    scales = [f32(s) for s in np.random.default_rng(1).uniform(0.01, 0.02, y_shape[-1] if per_channel else 1)]
    weights = weight * np.array(scales, np.float32).reshape([-1 if a == axis else 1 for a in range(weight.ndim)])
    x, program = 3 * floats(x_shape, 1), imported(layer(op, weight, x_shape, y_shape, scales=scales, axis=axis))
    found = computed(program, x)
    np.testing.assert_allclose(found, interpreted(layer(op, weights, x_shape, y_shape), x), rtol=1e-5, atol=1e-4)
    half = np.abs(x).reshape(len(x), -1).max(1) / 254
    bound = half.reshape(-1, *[1] * (x.ndim - 1)) * np.abs(weights).sum(tuple({*range(weight.ndim)} - {axis}))
    lost = np.abs(found - interpreted(layer(op, weight, x_shape, y_shape, scales=scales, axis=axis), x))
    assert (lost < bound + 1e-4).all() and lost.max() > 1e-3
    assert program.metadata["note"].startswith("weights in integers are computed with in floats")


def test_a_model_of_dynamic_range():
    """As `Optimize.DEFAULT` makes it without samples: small layers keep floats."""
    keras, lite = tensorflow().keras, tensorflow().lite
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 8), batch_size=1)
    x = keras.layers.Flatten()(keras.layers.Conv2D(32, 3, activation="relu")(image))
    converter = lite.TFLiteConverter.from_keras_model(keras.Model(image, keras.layers.Dense(10)(x)))
    converter.optimizations = [lite.Optimize.DEFAULT]
    data = bytes(converter.convert())
    program, x = imported(data, 1), floats((1, 8, 8, 8))
    notes = compile_module(imported(data, 1), scheme="none", target="x86_64", backend="reference").report["notes"]
    assert program.metadata["note"] in notes
    found, wanted = computed(program, x), interpreted(data, x)
    assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()
    assert {state.value.type.dtype for state in program.graph.states if state.trainable} == {DType.F32}


def four_bits(numbers: np.ndarray, scales: list[float]) -> Written:
    """Two a byte, the first in the lower half."""
    nibbles = np.append(numbers.ravel(), [0] * (numbers.size % 2)).astype(np.uint8) & 15
    return Written(numbers.shape, "int4", nibbles[::2] | nibbles[1::2] << 4, scales)


def test_weights_of_four_bits():
    """An odd number of them; in int8, bit for bit."""
    rng = np.random.default_rng(0)
    scales = [f32(s) for s in rng.uniform(0.05, 0.1, 5)]
    w = four_bits(rng.integers(-8, 8, (5, 3, 3, 3)), scales)
    bias = constant(rng.integers(-500, 500, 5).astype(np.int32), scales=[f32(np.float32(X[0]) * s) for s in scales])
    image, y = (1, 30, 30, 3), activation((1, 30, 30, 5), 0.05, -5)
    options = {"strideW": 1, "strideH": 1}
    data = single("CONV_2D", [activation(image, *X)], y, [w, bias], table="Conv2DOptions", **options)
    x = integers(image, 1)
    np.testing.assert_array_equal(computed(imported(data), x), real(interpreted(data, x), y.scales[0], y.zero))


def test_weights_of_four_bits_before_activations_in_floats():
    numbers, x = np.random.default_rng(0).integers(-7, 8, (6, 16)), floats((3, 16))
    operands = [Written((3, 16), "float32")], Written((3, 6), "float32"), [four_bits(numbers, [f32(0.1)])]
    data = single("FULLY_CONNECTED", *operands, table="FullyConnectedOptions")
    found = computed(imported(data), x)
    np.testing.assert_allclose(found, x @ numbers.T.astype(np.float32) * np.float32(0.1), rtol=1e-5, atol=1e-5)
    bound = np.abs(x).max(1, keepdims=True) / 254 * 0.1 * np.abs(numbers).sum(1)
    assert (np.abs(found - interpreted(data, x)) < bound + 1e-4).all()


def test_activations_of_other_types_are_refused():
    for dtype in ("int16", "float64", "int4"):
        x = Written((1, 4), dtype, scales=[] if dtype == "float64" else [0.1])
        error = refused(single("RELU", [x], replace(x)))
        assert f"type {dtype.upper()}" in error.what and "in full int8" in error.hint


# Channels that are constant.

CONSTANT = (0, 2)


def with_constant_channels() -> bytes:
    """The small model, of whose convolution one channel has a tiny scale and a saturated bias, one only zeros."""
    content = small_model()
    graph = content["subgraphs"][0]
    conv = graph["operators"][0]
    w, bias = (graph["tensors"][k] for k in conv["inputs"][1:])
    scales = list(w["quantization"]["scale"])
    weight = np.frombuffer(bytes(content["buffers"][w["buffer"]]["data"]), np.int8).reshape(w["shape"]).copy()
    numbers = np.frombuffer(bytes(content["buffers"][bias["buffer"]]["data"]), np.int32).copy()
    scales[CONSTANT[0]], numbers[CONSTANT[0]] = 4e-9, 2**31 - 2**21  # no sum leaves int32
    weight[CONSTANT[1]], scales[CONSTANT[1]] = 0, 1e-12
    w["quantization"]["scale"] = scales
    bias["quantization"]["scale"] = [s * graph["tensors"][0]["quantization"]["scale"][0] for s in scales]
    content["buffers"][w["buffer"]]["data"] = weight.tobytes()
    content["buffers"][bias["buffer"]]["data"] = numbers.tobytes()
    return flatbuffer(content)


def test_constant_channels_give_what_they_gave():
    data, plain = with_constant_channels(), flatbuffer(small_model())
    program = imported(data)
    (weight,) = (s for s in program.graph.states if s.name == "net.conv.Relu.weight")
    found = np.array(weight.value.type.quant.scale)
    assert np.flatnonzero(found == 0).tolist() == list(CONSTANT) and not weight.init[list(CONSTANT)].any()
    x = integers((1, *program.graph.inputs[0].type.shape[1:]))
    assert (interpreted(data, x) != interpreted(plain, x)).any()
    np.testing.assert_array_equal(computed(program, x), logits(data, x))


def logits(data: bytes, x: np.ndarray) -> np.ndarray:
    from gradlet.frontends.tflite.endings import logits_of
    from gradlet.frontends.tflite.model import parse

    model = parse(data)
    tensor = logits_of(model, model.outputs[0])
    assert tensor.quantization
    return real(interpreted(data, x, tensor.index), tensor.quantization.scales[0], tensor.quantization.zero_points[0])


@pytest.mark.parametrize("gradients", ["float32", "int8"])
def test_training_next_to_constant_channels_stays_finite(gradients):
    program = imported(with_constant_channels(), 4, classes=3)
    options = {"sparse_update": {"scheme": "full"}, "quantize_gradients": {"dtype": gradients}}
    program = optimize(program, Context(toolbox()), "train", options=options)
    session = ReferenceSession(program, toolbox())
    before = {name: array.copy() for name, array in session.states().items()}
    image = program.graph.inputs[0]
    feed = {image.name: integers(image.type.shape), "label": np.arange(4, dtype=np.int32) % 3}
    losses = [float(session.train_step(feed | {"lr": np.array(0.02, np.float32)})["loss"]) for _ in range(6)]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    after = session.states()
    weight, bias = "net.conv.Relu.weight", "net.conv.Relu.bias"
    assert (after[weight] != before[weight]).any() and not after[weight][list(CONSTANT)].any()
    np.testing.assert_array_equal(after[bias][list(CONSTANT)], before[bias][list(CONSTANT)])


# Learning from what is not float32 or int8.


def trained(data: bytes, backend: str, x: np.ndarray) -> tuple[list[float], list[str]]:
    """Losses of five steps on four samples, and the types of what has changed."""
    compiled = compile_module(imported(data, 4, classes=3), scheme="full", target="x86_64", backend=backend)
    session = compiled.open()
    try:
        before = {name: array.copy() for name, array in session.states().items()}
        feed = {compiled.program.graph.inputs[0].name: x, "label": np.arange(4, dtype=np.int32) % 3}
        losses = [float(session.train_step(feed | {"lr": np.array(0.05, np.float32)})["loss"]) for _ in range(5)]
        after = session.states()
    finally:
        session.close()
    assert losses[-1] < losses[0]
    return losses, [str(array.dtype) for name, array in before.items() if (after[name] != array).any()]


def test_what_is_fed_pixels_learns():
    """From uint8 on: a new head, and the int8 weights below it; bit for bit alike in numpy and in C."""
    data = in_types(small_net(), np.random.default_rng(0), "uint8", "uint8")
    (losses, changed), in_c = (
        trained(data, backend, pixels((4, 12, 12, 3))) for backend in ("reference", "tinyengine")
    )
    assert (losses, changed) == in_c and "int8" in changed


def test_a_table_of_words_learns():
    keras, lite = tensorflow().keras, tensorflow().lite
    keras.utils.set_random_seed(0)
    words = keras.Input((8,), batch_size=1, dtype="int32")
    x = keras.layers.Flatten()(keras.layers.Embedding(30, 5)(words))
    data = bytes(lite.TFLiteConverter.from_keras_model(keras.Model(words, keras.layers.Dense(4)(x))).convert())
    numbers = np.random.default_rng(0).integers(-30, 30, (4, 8)).astype(np.int32)
    (losses, changed), (in_c, _) = (trained(data, backend, numbers) for backend in ("reference", "tinyengine"))
    np.testing.assert_allclose(losses, in_c, rtol=1e-5)
    assert changed == ["float32"] * 3  # the table, the weight and the bias of the head

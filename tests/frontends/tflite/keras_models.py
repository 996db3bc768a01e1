"""Small Keras models with random weights, converted by TensorFlow's own converter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from gradlet.tests.frontends.tflite.written import tensorflow

NETS = ("keyword_net", "inverted_residuals", "conv_net")
KINDS = ("float", "int8", "int8_per_tensor")


@cache
def converted(net: str, kind: str, batch: int | None = 1) -> bytes:
    """The file.

    Args:
        net: One of NETS.
        kind: One of KINDS; with scales per tensor, inputs and outputs are floats.
        batch: Of the file; None leaves it open.
    """
    keras = tensorflow().keras
    keras.utils.set_random_seed(1)
    model = globals()[f"_{net}"](keras, keras.layers, batch)
    rng = np.random.default_rng(0)
    for variable in model.variables:
        _draw(variable, rng)
    converter = tensorflow().lite.TFLiteConverter.from_keras_model(model)
    return converted_by(converter, kind, model.inputs[0].shape[1:], rng)


def converted_by(converter: Any, kind: str, shape: Sequence[int], rng: np.random.Generator) -> bytes:
    """The file that a TFLiteConverter makes, calibrated with random samples of this shape."""
    lite = tensorflow().lite
    if kind != "float":
        converter.optimizations = [lite.Optimize.DEFAULT]
        samples = [rng.normal(size=(1, *shape)).astype(np.float32) for _ in range(16)]
        converter.representative_dataset = lambda: ([sample] for sample in samples)
        converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS_INT8]
    if kind == "int8":
        converter.inference_input_type = converter.inference_output_type = tensorflow().int8
    if kind == "int8_per_tensor":
        converter._experimental_disable_per_channel = True
    return bytes(converter.convert())


def _draw(variable: Any, rng: np.random.Generator) -> None:
    kind = variable.path.rpartition("/")[2]
    if kind in ("beta", "bias", "moving_mean"):
        variable.assign(rng.normal(0, 0.3, variable.shape))
    elif kind in ("gamma", "moving_variance"):
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    elif kind == "kernel":
        variable.assign(rng.normal(0, np.sqrt(2 / np.prod(variable.shape[:-1])), variable.shape))


def _keyword_net(keras: Any, layers: Any, batch: int | None) -> Any:
    """Depthwise separable, as for keyword spotting; a softmax at its end."""
    x = image = keras.Input((20, 10, 1), batch_size=batch)
    for layer in (
        layers.Conv2D(8, (6, 4), strides=2, padding="same"),
        layers.DepthwiseConv2D(3, padding="same"),
        layers.Conv2D(8, 1),
        layers.DepthwiseConv2D(3, padding="same"),
        layers.Conv2D(8, 1),
    ):
        x = layers.ReLU()(layers.BatchNormalization()(layer(x)))
    x = layers.Dense(5)(layers.Flatten()(layers.AveragePooling2D((5, 2))(x)))
    return keras.Model(image, layers.Softmax()(x))


def _inverted_residuals(keras: Any, layers: Any, batch: int | None) -> Any:
    image = keras.Input((16, 16, 3), batch_size=batch)
    x = layers.ReLU(6.0)(layers.Conv2D(8, 3, strides=2, padding="same")(image))
    y = layers.ReLU(6.0)(layers.Conv2D(24, 1)(x))
    y = layers.ReLU(6.0)(layers.DepthwiseConv2D(3, padding="same")(y))
    x = layers.Add()([x, layers.Conv2D(8, 1)(y)])
    y = layers.ReLU(6.0)(layers.Conv2D(24, 1)(x))
    y = layers.DepthwiseConv2D(3, strides=2)(layers.ZeroPadding2D(((0, 1), (0, 1)))(y))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(12, 1)(layers.ReLU(6.0)(y)))
    return keras.Model(image, layers.Dense(5)(x))


def _conv_net(keras: Any, layers: Any, batch: int | None) -> Any:
    image = keras.Input((12, 12, 2), batch_size=batch)
    x = layers.MaxPooling2D(2)(layers.Conv2D(6, 3, activation="relu")(image))
    x = layers.MaxPooling2D(2, padding="same")(layers.Conv2D(9, 3, padding="same")(x))
    x = layers.Dense(16, activation="relu")(layers.Flatten()(x))
    return keras.Model(image, layers.Dense(4)(x))

"""Networks as they are used, small and with random weights: those of keras.applications, U-Nets, a transformer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from gradlet.tests.frontends.tflite.keras_models import converted_by
from gradlet.tests.frontends.tflite.written import tensorflow

KINDS = ("float", "int8")
CLASSES = 10
_TOP = {"weights": None, "classes": CLASSES}


@cache
def application(name: str) -> dict[str, bytes]:
    """The files of one of APPLICATIONS: `float` and `int8`."""
    tf, rng = tensorflow(), np.random.default_rng(0)
    tf.keras.backend.clear_session()
    model = APPLICATIONS[name](tf.keras, tf.keras.layers)
    for variable in model.variables:
        _draw(variable, rng)
    made, shape = _frozen(model), model.inputs[0].shape[1:]
    converters = tf.lite.TFLiteConverter
    return {kind: converted_by(converters.from_concrete_functions([made]), kind, shape, rng) for kind in KINDS}


def _frozen(model: Any) -> Any:
    """A function of constants: what `from_keras_model` makes as well, by way of files, and for each kind anew."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    tf = tensorflow()
    spec = tf.TensorSpec(model.inputs[0].shape, tf.float32, name="input")
    return convert_variables_to_constants_v2(tf.function(model).get_concrete_function(spec))


def _draw(variable: Any, rng: np.random.Generator) -> None:
    """Weights as He et al. draw them, so that no layer's results vanish, or only repeat the biases."""
    layer, kind = variable.path.split("/")[-2:]
    shape = tuple(variable.shape)
    if kind in ("beta", "bias", "moving_mean", "embeddings"):
        variable.assign(rng.normal(0, 0.1, shape))
    elif kind in ("gamma", "moving_variance"):
        variable.assign(rng.uniform(0.7, 1.3, shape))
    elif kind == "kernel":
        variable.assign(rng.normal(0, np.sqrt(2 / _inputs(layer, shape)), shape))


def _inputs(layer: str, shape: tuple[int, ...]) -> float:
    """Of how many products a result of the layer is the sum."""
    if "depthwise" in layer or "dwconv" in layer or "conv_dw" in layer:
        return np.prod(shape[:-2])
    if "transpose" in layer:
        return np.prod(shape[:-2]) * shape[-1]
    if len(shape) == 3 and layer in ("query", "key", "value"):
        return shape[0]
    return np.prod(shape[:-1])


def _mobilenet_v1(keras: Any, layers: Any) -> Any:
    return keras.applications.MobileNet((64, 64, 3), alpha=0.25, **_TOP)


def _mobilenet_v2(keras: Any, layers: Any) -> Any:
    return keras.applications.MobileNetV2((64, 64, 3), alpha=0.35, **_TOP)


def _mobilenet_v3_small(keras: Any, layers: Any) -> Any:
    return keras.applications.MobileNetV3Small((64, 64, 3), alpha=0.35, **_TOP)


def _mobilenet_v3_minimalistic(keras: Any, layers: Any) -> Any:
    return keras.applications.MobileNetV3Small((64, 64, 3), alpha=0.35, minimalistic=True, **_TOP)


def _efficientnet_b0(keras: Any, layers: Any) -> Any:
    """All its blocks, a quarter of its channels."""
    from keras.src.applications.efficientnet import EfficientNet

    return EfficientNet(0.25, 1.0, 64, input_shape=(64, 64, 3), **_TOP)


def _resnet50(keras: Any, layers: Any) -> Any:
    """All its blocks, an eighth of their channels."""
    from keras.src.applications.resnet import ResNet, stack_residual_blocks_v1

    def stages(x: Any) -> Any:
        for k, blocks in enumerate((3, 4, 6, 3)):
            x = stack_residual_blocks_v1(x, 8 << k, blocks, stride1=min(k + 1, 2), name=f"conv{k + 2}")
        return x

    return ResNet(stages, preact=False, use_bias=True, input_shape=(64, 64, 3), **_TOP)


def _densenet(keras: Any, layers: Any) -> Any:
    """DenseNet-121 with two layers in each of its four blocks."""
    from keras.src.applications.densenet import DenseNet

    return DenseNet([2, 2, 2, 2], input_shape=(32, 32, 3), **_TOP)


def _unet(upsampled: Callable[[Any, Any, int], Any]) -> Callable[[Any, Any], Any]:
    def build(keras: Any, layers: Any) -> Any:
        def twice(x: Any, channels: int) -> Any:
            for _ in range(2):
                x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(channels, 3, padding="same")(x)))
            return x

        x = image = keras.Input((32, 32, 3))
        skips = []
        for channels in (8, 16):
            skips.append(twice(x, channels))
            x = layers.MaxPooling2D(2)(skips[-1])
        x = twice(x, 32)
        for channels in (16, 8):
            x = layers.Concatenate()([upsampled(layers, x, channels), skips.pop()])
            x = twice(x, channels)
        return keras.Model(image, layers.Conv2D(3, 1)(x))

    return build


def _transposed(layers: Any, x: Any, channels: int) -> Any:
    return layers.Conv2DTranspose(channels, 2, strides=2, padding="same")(x)


def _bilinear(layers: Any, x: Any, channels: int) -> Any:
    return layers.Conv2D(channels, 1)(layers.UpSampling2D(2, interpolation="bilinear")(x))


def _keyword_spotting(keras: Any, layers: Any) -> Any:
    """DS-CNN of MLPerf Tiny: 49 x 10 MFCCs, 12 words; 16 channels in place of 64."""
    x = image = keras.Input((49, 10, 1))
    x = layers.Conv2D(16, (10, 4), strides=(2, 2), padding="same")(x)
    x = layers.Dropout(0.2)(layers.ReLU()(layers.BatchNormalization()(x)))
    for _ in range(4):
        x = layers.ReLU()(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(x)))
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 1)(x)))
    x = layers.Flatten()(layers.AveragePooling2D((25, 5))(layers.Dropout(0.4)(x)))
    return keras.Model(image, layers.Dense(12, activation="softmax")(x))


def _autoencoder(keras: Any, layers: Any) -> Any:
    """Of MLPerf Tiny's anomaly detection: 640 features, 8 in its middle; a quarter as wide."""
    x = features = keras.Input((640,))
    for units in (32, 32, 32, 8, 32, 32, 32):
        x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(units)(x)))
    return keras.Model(features, layers.Dense(640)(x))


def _conv_1d(keras: Any, layers: Any) -> Any:
    """Over time, as for accelerometers."""
    x = signal = keras.Input((128, 3), batch_size=1)
    for channels, dilation in ((8, 1), (16, 2), (16, 4)):
        x = layers.Conv1D(channels, 5, padding="same", dilation_rate=dilation)(x)
        x = layers.MaxPooling1D(2)(layers.LeakyReLU(negative_slope=0.1)(layers.BatchNormalization()(x)))
    x = layers.Dense(16, activation="relu")(layers.GlobalMaxPooling1D()(x))
    return keras.Model(signal, layers.Dense(6, activation="softmax")(x))


def _mixer(keras: Any, layers: Any) -> Any:
    """Two blocks of dense layers along time and along features, by turns."""
    x = sequence = keras.Input((16, 12))
    for _ in range(2):
        y = layers.Dense(16)(layers.Dense(24, activation="relu")(layers.Permute((2, 1))(x)))
        x = layers.Add()([x, layers.Permute((2, 1))(y)])
        x = layers.Add()([x, layers.Dense(12)(layers.Dense(24, activation="relu")(x))])
    return keras.Model(sequence, layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling1D()(x)))


def _transformer(keras: Any, layers: Any) -> Any:
    """Two encoder blocks on 16 vectors."""
    width = 16
    x = sequence = keras.Input((16, 12))
    x = layers.Dense(width)(x)
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(2, width // 2)(y, y)])
        y = layers.Dense(2 * width, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(width)(y)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(sequence, layers.Dense(5, activation="softmax")(x))


APPLICATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "mobilenet_v1": _mobilenet_v1,
    "mobilenet_v2": _mobilenet_v2,
    "mobilenet_v3_small": _mobilenet_v3_small,
    "mobilenet_v3_minimalistic": _mobilenet_v3_minimalistic,
    "efficientnet_b0": _efficientnet_b0,
    "resnet50": _resnet50,
    "densenet": _densenet,
    "unet_transposed": _unet(_transposed),
    "unet_bilinear": _unet(_bilinear),
    "keyword_spotting": _keyword_spotting,
    "autoencoder": _autoencoder,
    "conv_1d": _conv_1d,
    "mixer": _mixer,
    "transformer": _transformer,
}

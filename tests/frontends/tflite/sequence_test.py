"""Networks for sequences, as TensorFlow's converter writes them: words, unrolled recurrent layers, attention."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from gradlet.tests.frontends.tflite.imported import computed, imported
from gradlet.tests.frontends.tflite.operators import refused
from gradlet.tests.frontends.tflite.written import interpreted, tensorflow
from gradlet.tools.api import compile_module

NETS = ("lstm", "gru", "words", "attention")


@cache
def converted(net: str, kind: str) -> bytes:
    """`kind` is float or int8, the ends of which are floats."""
    keras, lite = tensorflow().keras, tensorflow().lite
    keras.utils.set_random_seed(0)
    layers = keras.layers
    x = keras.Input((8,) if net == "words" else (6, 4), batch_size=1, dtype="int32" if net == "words" else "float32")
    if net == "lstm":
        y = layers.LSTM(5, unroll=True)(x)
    elif net == "gru":
        y = layers.GRU(5, unroll=True)(x)
    elif net == "words":
        y = layers.GlobalMaxPooling1D()(layers.Conv1D(8, 3, activation="relu")(layers.Embedding(20, 6)(x)))
    else:
        y = layers.Flatten()(layers.MultiHeadAttention(2, 3)(x, x))
    converter = lite.TFLiteConverter.from_keras_model(keras.Model(x, layers.Dense(3)(y)))
    rng = np.random.default_rng(0)
    if kind == "int8":
        converter.optimizations = [lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([_drawn(x, rng)] for _ in range(8))
    return bytes(converter.convert())


def _drawn(x: Any, rng: np.random.Generator) -> np.ndarray:
    if x.dtype == "int32":
        return rng.integers(0, 20, x.shape).astype(np.int32)
    return rng.normal(size=x.shape).astype(np.float32)


@pytest.mark.parametrize("kind", ["float", "int8"])
@pytest.mark.parametrize("net", NETS)
def test_outputs_are_those_of_tensorflow(net, kind):
    data = converted(net, kind)
    program, rng = imported(data), np.random.default_rng(1)
    for _ in range(4):
        x = _fed(program, rng)
        np.testing.assert_allclose(
            computed(program, x), interpreted(data, x), rtol=0, atol=0 if kind == "int8" else 1e-5
        )


def _fed(program: Any, rng: np.random.Generator) -> np.ndarray:
    type_ = program.graph.inputs[0].type
    drawn = rng.normal(size=type_.shape) if type_.dtype.is_float else rng.integers(0, 20, type_.shape)
    return drawn.astype(type_.dtype.numpy)


@pytest.mark.parametrize("kind", ["float", "int8"])
@pytest.mark.parametrize("net", NETS)
def test_they_learn(net, kind):
    compiled = compile_module(imported(converted(net, kind)), scheme="full", target="x86_64", backend="reference")
    session, program = compiled.open(), compiled.program
    feed = {program.graph.inputs[0].name: _fed(program, np.random.default_rng(2)), "label": np.array([1], np.int32)}
    losses = [float(session.train_step(feed | {"lr": np.array(0.05, np.float32)})["loss"]) for _ in range(8)]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


def test_loops_are_refused_with_what_to_do():
    keras, lite = tensorflow().keras, tensorflow().lite
    x = keras.Input((6, 4), batch_size=1)
    net = keras.Model(x, keras.layers.Dense(3)(keras.layers.LSTM(5)(x)))
    error = refused(bytes(lite.TFLiteConverter.from_keras_model(net).convert()))
    assert "WHILE (control flow)" in error.what and "`unroll=True`" in error.hint

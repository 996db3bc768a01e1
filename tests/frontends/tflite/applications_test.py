"""Networks as they are used give what TensorFlow's interpreter gives, and those of int8 learn, in C too."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir.program import Program
from gradlet.tests.frontends.tflite.applications import APPLICATIONS, application
from gradlet.tests.frontends.tflite.covered import COVERED, counts
from gradlet.tests.frontends.tflite.imported import computed, imported, inputs, logits, toolbox
from gradlet.tools.api import Options, compile_program

STEPS, CLASSES, LR = 5, 3, 0.02
LEARNING = (
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3_minimalistic",
    "densenet",
    "keyword_spotting",
    "autoencoder",
    "conv_1d",
    "mixer",
    "transformer",
)
IN_C = ("conv_1d", "densenet", "keyword_spotting")


@pytest.mark.parametrize("name", APPLICATIONS)
def test_in_int8_bit_for_bit(name):
    data = application(name)["int8"]
    program = imported(data)
    for x in inputs(program.graph, 3):
        wanted = logits(data, x)
        assert len(np.unique(wanted)) >= min(wanted.size, 20) / 2, "too few numbers to tell kernels apart"
        np.testing.assert_array_equal(computed(program, x), wanted)


@pytest.mark.parametrize("name", APPLICATIONS)
def test_in_float32(name):
    data = application(name)["float"]
    program = imported(data)
    (x,) = inputs(program.graph, 1)
    wanted = logits(data, x)
    np.testing.assert_allclose(computed(program, x), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("name", APPLICATIONS)
def test_the_table_of_operators_is_current(name):
    """Else: python -m gradlet.tests.frontends.tflite.covered."""
    assert json.loads(COVERED.read_text())["models"][name] == counts(name)


def trained(name: str, backend: str, steps: int) -> tuple[Program, list[float], dict[str, np.ndarray], np.ndarray]:
    """The int8 network with a new head: its program, losses on one sample, states, and the prediction after it."""
    options = Options(scheme="full", backend=backend, target="x86_64", gradients="int8")
    made = compile_program(imported(application(name)["int8"], classes=CLASSES), options, toolbox())
    session = ReferenceSession(made.program, toolbox()) if backend == "reference" else made.open()
    (image,) = (value for value in made.program.infer.inputs)
    (x,) = inputs(made.program.infer, 1)
    feed = {image.name: x, "label": np.array([1], np.int32), "lr": np.float32(LR)}
    try:
        losses = [float(session.train_step(feed)["loss"]) for _ in range(steps)]
        (prediction,) = session.infer({image.name: x}).values()
        return made.program, losses, session.states(), prediction
    finally:
        session.close()


@pytest.mark.parametrize("name", LEARNING)
def test_int8_weights_learn(name):
    program, losses, states, _ = trained(name, "reference", 1)
    assert np.isfinite(losses).all()
    weights = [s for s in program.graph.states if s.trainable and s.init.dtype == np.int8]
    moved = [s.name for s in weights if (states[s.name] != s.init).any()]
    assert len(moved) > len(weights) / 2, f"{moved} of {[s.name for s in weights]}"


@pytest.mark.parametrize("name", IN_C)
def test_steps_in_c_are_those_of_the_reference(name):
    _, losses, states, prediction = trained(name, "tinyengine", STEPS)
    _, expected, right, predicted = trained(name, "reference", STEPS)
    assert losses == expected
    for state, array in right.items():
        np.testing.assert_array_equal(states[state], array, err_msg=state)
    np.testing.assert_array_equal(prediction, predicted)

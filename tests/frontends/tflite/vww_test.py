"""Visual wake words on an emulated Cortex-M7: TensorFlow's numbers, and the reference's steps, bit for bit."""

import os
from pathlib import Path

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.tests.frontends.tflite.imported import imported, inputs, logits, toolbox
from gradlet.tools.api import Compiled, Options, compile_program

VWW = Path(os.environ.get("GRADLET_DATA", "../shared/data")) / "models" / "vww.tflite"
TARGET, SCHEME, STEPS = "stm32f746", "last_4", 3

pytestmark = pytest.mark.skipif(not VWW.is_file(), reason=f"{VWW} is not there: set GRADLET_DATA")


def compiled(scheme: str, classes: int | None = None) -> Compiled:
    program = imported(VWW.read_bytes(), classes=classes)
    return compile_program(program, Options(scheme=scheme, target=TARGET), toolbox())


def test_inferences_on_the_device_are_tensorflows():
    data, made = VWW.read_bytes(), compiled("none")
    (image,) = made.program.graph.inputs
    device = made.open()
    try:
        for x in inputs(made.program.graph, 3):
            (found,) = device.infer({image.name: x}).values()
            np.testing.assert_array_equal(found, logits(data, x))
        assert device.memory()["sram_total"] < 100 << 10
    finally:
        device.close()


def test_steps_on_the_device_are_those_of_the_reference():
    made = compiled(SCHEME, 2)
    (image,) = made.program.infer.inputs
    images = inputs(made.program.infer, STEPS)
    feeds = [{image.name: x, "label": np.array([k % 2], np.int32)} for k, x in enumerate(images)]
    reference, device = ReferenceSession(made.program, toolbox()), made.open()
    try:
        for feed in feeds:
            found, wanted = (s.train_step(feed | {"lr": np.float32(0.01)}) for s in (device, reference))
            assert found["loss"] == wanted["loss"]
        states = device.states()
    finally:
        device.close()
    for name, array in reference.states().items():
        np.testing.assert_array_equal(states[name], array, err_msg=name)
    weights = [s for s in made.program.graph.states if s.trainable and s.init.dtype == np.int8]
    assert weights and all((states[s.name] != s.init).any() for s in weights)

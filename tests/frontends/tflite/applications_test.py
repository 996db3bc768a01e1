"""Networks as they are used give what TensorFlow's interpreter gives, and those of int8 learn."""

import numpy as np
import pytest

from gradlet.tests.frontends.tflite.applications import APPLICATIONS, application
from gradlet.tests.frontends.tflite.imported import computed, imported, inputs, logits

    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3_minimalistic",
    "resnet50",
    "keyword_spotting",
    "autoencoder",
    "mixer",
)


@pytest.mark.parametrize("name", sorted(APPLICATIONS.keys() - {"transformer"}))
def test_in_int8_bit_for_bit(name):
    data = application(name)["int8"]
    program = imported(data)
    for x in inputs(program.graph, 3):
        wanted = logits(data, x)
        assert len(np.unique(wanted)) >= min(wanted.size, 20) / 2, "too few numbers to tell kernels apart"
        np.testing.assert_array_equal(computed(program, x), wanted)


@pytest.mark.parametrize("name", sorted(APPLICATIONS.keys() - {"transformer"}))
def test_in_float32(name):
    data = application(name)["float"]
    program = imported(data)
    (x,) = inputs(program.graph, 1)
    wanted = logits(data, x)
    np.testing.assert_allclose(computed(program, x), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())

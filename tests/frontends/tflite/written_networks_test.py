"""Networks as they are used come back with other parameters: TensorFlow computes what the program does."""

from __future__ import annotations

import numpy as np
import pytest

from gradlet.frontends.tflite.endings import logits_of
from gradlet.frontends.tflite.importer import ImportOptions, import_bytes
from gradlet.frontends.tflite.model import parse
from gradlet.frontends.tflite.writer import Learnt, write_back
from gradlet.ir.user_states import to_user
from gradlet.tests.frontends.tflite.applications import application
from gradlet.tests.frontends.tflite.imported import computed, imported, real, toolbox
from gradlet.tests.frontends.tflite.written import interpreted

CLASSES = 7


def moved(data: bytes, classes: int | None) -> Learnt:
    """A step away from the parameters of a model; weights of channels that are constant are 0, and stay it."""
    graph, rng = import_bytes(data, ImportOptions(classes), toolbox(), "net").graph, np.random.default_rng(0)
    arrays = to_user(graph, {state.name: state.init for state in graph.states})
    for name, array in arrays.items():
        if array.dtype == np.int8:
            steps = rng.integers(-1, 2, array.shape) * (array != 0)
            arrays[name] = np.clip(array + steps, -127, 127).astype(np.int8)
        elif array.dtype == np.float32:
            arrays[name] = array + rng.normal(0, 0.01, array.shape).astype(np.float32)
    return Learnt(arrays, classes)


def fed(data: bytes) -> np.ndarray:
    x, rng = parse(data).inputs[0], np.random.default_rng(1)
    if x.type_name == "FLOAT32":
        return rng.normal(size=x.shape).astype(np.float32)
    return rng.integers(-128, 128, x.shape).astype(np.int8)


NETWORKS = {"efficientnet_b0": (None, CLASSES), "transformer": (None, CLASSES), "unet_transposed": (None,)}


@pytest.mark.parametrize("kind", ["float", "int8"])
@pytest.mark.parametrize(("name", "classes"), [(name, c) for name, heads in NETWORKS.items() for c in heads])
def test_a_network(name, classes, kind):
    data = application(name)[kind]
    changed = write_back(data, moved(data, classes), toolbox())
    assert changed != data
    model, x = parse(changed), fed(data)
    logits = logits_of(model, model.outputs[0])
    found, expected = interpreted(changed, x, logits.index), computed(imported(changed), x)
    if logits.quantization:
        found = real(found, logits.quantization.scales[0], logits.quantization.zero_points[0])
        np.testing.assert_array_equal(found.reshape(expected.shape), expected)
    else:
        bound = 1e-5 * max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-5, atol=bound)

"""The pretrained int8 networks take the same steps through TVM as in numpy, bit for bit."""

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.backends.tvm.session import TvmSession
from gradlet.ir.program import Program
from gradlet.optimizers.compilation import optimize
from gradlet.tests.frontends.mcunet.imported import imported
from gradlet.tests.frontends.mcunet.real import path_of, photographs
from gradlet.tools.api import context_of, load

TOOLS = load(installed=False)
CLASSES, SIDE, STEPS, LR = 10, 128, 5, 0.0016


def trainable(network: str, scheme: str, gradients: str) -> Program:
    context = context_of(TOOLS, TOOLS.get("targets", "x86_64"), TOOLS.get("backends", "tvm"))
    options = {"sparse_update": {"scheme": scheme}, "quantize_gradients": {"dtype": gradients}}
    return optimize(imported(path_of(network), classes=CLASSES), context, "train", options=options)


@pytest.mark.parametrize(
    ("network", "scheme", "gradients"),
    [
        ("mcunet-5fps", "49kb", "int8"),
        ("mbv2-w0.35", "49kb", "int8"),
        ("proxyless-w0.3", "148kb", "int16"),
        ("mcunet-5fps", "full", "int8"),
    ],
)
def test_steps_are_those_of_the_reference(network, scheme, gradients):
    program = trainable(network, scheme, gradients)
    reference, session = ReferenceSession(program, TOOLS), TvmSession(program, TOOLS)
    images, labels = photographs(STEPS, SIDE), np.random.default_rng(0).integers(0, CLASSES, STEPS)
    for x, label in zip(images, labels, strict=True):
        batch = {"image": x[None], "label": np.array([label], np.int32), "lr": np.float32(LR)}
        found, expected = session.train_step(batch), reference.train_step(batch)
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array, err_msg=name)
    after = session.states()
    for name, array in reference.states().items():
        np.testing.assert_array_equal(after[name], array, err_msg=name)
    weights = [s for s in program.graph.states if s.trainable and s.init.dtype == np.int8]
    assert weights
    assert all((after[s.name] != s.init).any() for s in weights)
    assert session.arena.intact

"""A small int8 network takes the same steps through TVM as in numpy, bit for bit, whatever learns and however."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.backends.tvm.session import TvmSession
from gradlet.ir.program import Program
from gradlet.tests.int8_models import int8_batches, inverted_residuals
from gradlet.tests.small_models import TOOLS, compiled

STEPS, LR = 5, 0.1


def trainable(update: str, gradients: str, **model: Any) -> Program:
    options: Mapping[str, Any] = {"differentiate": {"update": update}, "quantize_gradients": {"dtype": gradients}}
    return compiled(inverted_residuals(**model), **options)


@pytest.mark.parametrize(
    ("update", "gradients", "model"),
    [
        ("sgd", "int8", {}),
        ("sgd", "int8", {"batch": 1, "rounding": "double_rounding"}),
        ("sgd{bound=0.5,weight_decay=0.001}", "int16", {"rounding": "single_rounding"}),
        ("sgd{rounding=nearest,every=2}", "int16", {"dead": 1}),
        ("sgd{weights=float}", "int8", {}),
        ("momentum", "int8", {"batch": 3}),
    ],
    ids=str,
)
def test_five_steps_are_those_of_the_reference(update, gradients, model):
    program = trainable(update, gradients, **model)
    reference, session = ReferenceSession(program, TOOLS), TvmSession(program, TOOLS)
    for batch in int8_batches(program.graph, STEPS, LR):
        found, expected = session.train_step(batch), reference.train_step(batch)
        assert_same(found, expected)
    assert_same(session.states(), reference.states())
    assert session.arena.intact
    weights = [s for s in program.graph.states if s.trainable and s.init.dtype == np.int8]
    assert any((session.states()[s.name] != s.init).any() for s in weights)
    image = {"x": batch["x"]}
    assert_same(session.infer(image), reference.infer(image))


def test_gradients_in_floats_agree_up_to_rounding():
    """On a master copy: where weights are rounded, the last bit of a gradient may decide a whole step."""
    program = trainable("sgd{weights=float}", "float32")
    reference, session = ReferenceSession(program, TOOLS), TvmSession(program, TOOLS)
    for batch in int8_batches(program.graph, 1):
        session.train_step(batch)
        reference.train_step(batch)
    after = reference.states()
    masters = [name for name, array in session.states().items() if array.dtype == np.float32]
    assert len(masters) > 10
    for name in masters:
        scale = np.abs(after[name]).max()
        np.testing.assert_allclose(session.states()[name], after[name], rtol=1e-6, atol=1e-6 * scale, err_msg=name)


def assert_same(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, err_msg=name)

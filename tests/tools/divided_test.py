"""A session that remembers what is frozen takes the steps of one that does not, bit by bit."""

import numpy as np
import pytest

from gradlet.ir.program import Program
from gradlet.tests.int8_models import int8_batches, inverted_residuals
from gradlet.tests.small_models import TOOLS, batches, conv_net
from gradlet.tools.api import Compiled, Options, compile_program
from gradlet.tools.divided import RememberingSession

# What learns -> whether the front has nodes.
SCHEMES = {"head_only": True, "bias_last_2": True, "last_3{ratio=0.5}": True, "full": False}
MODELS = {
    "float": (conv_net, batches),
    "int8": (inverted_residuals, int8_batches),
}
# A microcontroller has integer gradients.
PLACES = {"reference": ("reference", "stm32f746"), "c_host": ("tinyengine", "x86_64")}


def compiled(model: str, scheme: str, place: str = "reference") -> Compiled:
    backend, target = PLACES[place]
    graph = MODELS[model][0]()
    return compile_program(Program(graph), Options(target=target, backend=backend, scheme=scheme), TOOLS)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("model", MODELS)
def test_steps_are_those_of_the_whole(model, scheme, place):
    made = compiled(model, scheme, place)
    whole, session = made.open(), RememberingSession(made)
    assert bool(session.front.graph.nodes) == SCHEMES[scheme]
    feeds = list(MODELS[model][1](made.program.graph, steps=3))
    for feed in [*feeds, *feeds]:  # the second time from memory
        image = {"x": feed["x"]}
        for call, given in (("infer", image), ("train_step", feed), ("infer", image)):
            expected, found = getattr(whole, call)(given), getattr(session, call)(given)
            assert expected.keys() == found.keys()
            assert all(np.array_equal(expected[name], found[name]) for name in expected)
    assert whole.states().keys() == session.states().keys()
    for name, state in whole.states().items():
        np.testing.assert_array_equal(session.states()[name], state, name)
    assert any(not np.array_equal(s.init, session.states()[s.name]) for s in made.program.graph.states if s.trainable)
    whole.close()
    session.close()


def test_the_front_runs_once_for_each_sample(monkeypatch):
    made = compiled("int8", "head_only")
    session, (feed, other) = RememberingSession(made), int8_batches(made.program.graph, steps=2)
    calls = []
    inner = session._front.infer
    monkeypatch.setattr(session._front, "infer", lambda inputs: calls.append(1) or inner(inputs))
    session.train_step(feed)
    session.train_step({**feed, "x": np.ascontiguousarray(feed["x"][::-1])})  # in another order
    session.infer({"x": feed["x"]})
    assert len(calls) == 1
    session.train_step(other)
    assert len(calls) == 2
    session.remember(np.concatenate([feed["x"], other["x"], feed["x"][:1, :, ::-1]]))
    assert len(calls) == 3


def test_states_can_be_set():
    made = compiled("int8", "bias_last_2")
    session, feeds = RememberingSession(made), list(int8_batches(made.program.graph, steps=4))
    changeable = {s.name for s in session.rest.graph.states if s.trainable}
    before = {name: array for name, array in session.states().items() if name in changeable}
    first = [session.train_step(feed)["loss"] for feed in feeds]
    assert [session.train_step(feed)["loss"] for feed in feeds[:1]] != first[:1]
    session.set_states(before)
    assert session.train_step(feeds[0])["loss"] == first[0]

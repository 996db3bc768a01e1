"""A model divided before what learns is, bit for bit, the whole."""

import numpy as np
import pytest

from gradlet.backends.reference.executor import Executor
from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir.graph import Graph, Role
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import i32
from gradlet.ir.verifier import verify
from gradlet.optimizers.frozen_prefix import Divided, split_at_first_trained
from gradlet.tests.small_models import TOOLS, Builder, apply, batches, compiled, conv_net, mlp, ops_of

# Scheme -> operations in front of what learns, of conv_net.
FRONT = {
    "head_only": 13,
    "bias_last_1": 10,
    "last_1": 9,
    "last_3{ratio=0.5}": 3,
    "full": 0,
}


def marked(graph: Graph, scheme: str) -> Graph:
    name, _, rest = scheme.partition("{")
    return apply(graph, f"sparse_update{{scheme={name}{{{rest}}}" if rest else f"sparse_update{{scheme={name}}}")


def trained(divided: Divided, whole: Graph) -> tuple[list[float], dict[str, np.ndarray]]:
    """Losses and states of steps whose frozen part is computed by a program of its own."""
    front, session = Executor(divided.frozen, TOOLS.ops), ReferenceSession(compiled(divided.learning), TOOLS)
    losses = []
    for feed in batches(whole):
        rest = {name: array for name, array in feed.items() if name != "x"}
        losses.append(float(session.train_step(rest | front.run({"x": feed["x"]}))["loss"]))
    return losses, session.states()


@pytest.mark.parametrize("scheme", list(FRONT)[:-1])
def test_steps_are_those_of_the_whole(scheme):
    graph = marked(conv_net(), scheme)
    divided = split_at_first_trained(graph)
    verify(divided.frozen, TOOLS.ops)
    verify(divided.learning, TOOLS.ops)
    assert len(divided.frozen.nodes) == FRONT[scheme], ops_of(divided.frozen)
    assert len(divided.frozen.nodes) + len(divided.learning.nodes) == len(graph.nodes)
    assert [v.name for v in divided.frozen.outputs] == [v.name for v in divided.learning.inputs]
    assert not any(s.trainable for s in divided.frozen.states)

    whole = ReferenceSession(compiled(graph), TOOLS)
    feeds = batches(whole.program.graph)
    expected = [float(whole.train_step(feed)["loss"]) for feed in feeds]
    losses, states = trained(divided, whole.program.graph)
    assert losses == expected
    kept = {name: array for name, array in whole.states().items() if name in states}
    assert any((states[s.name] != s.init).any() for s in divided.learning.states)
    assert all((states[name] == array).all() for name, array in kept.items())


def test_both_branches_of_a_block_cross_the_border():
    divided = split_at_first_trained(marked(conv_net(), "last_1"))
    assert [v.name for v in divided.learning.inputs] == ["frozen", "frozen1"]


def test_nothing_is_in_front_of_what_learns_as_a_whole():
    graph = marked(conv_net(), "full")
    divided = split_at_first_trained(graph)
    assert not divided.frozen.nodes
    assert [v.name for v in divided.learning.inputs] == ["x"]
    assert len(divided.learning.nodes) == len(graph.nodes)


def test_what_draws_random_numbers_is_not_frozen():
    b = Builder("dropped", 2, 6)
    b.emit.loc = "hidden"
    hidden = b.dense(b.x, 4)
    counter = b.graph.add_state("counter", np.zeros((), np.int32), i32(), Role.COUNTER)
    b.emit.loc = "fc"
    dropped = b.emit("dropout", hidden, counter, rate=0.5, seed=1)
    graph = marked(b.done(b.dense(dropped, 3)), "head_only")
    divided = split_at_first_trained(graph)
    assert ops_of(divided.frozen) == ["dense", "bias_add"]
    assert "dropout" in ops_of(divided.learning)


def test_the_whole_stays_as_it_is():
    graph = marked(mlp(6, 8, 8, 3), "head_only")
    text = str(graph)
    split_at_first_trained(graph)
    assert str(graph) == text
    assert Program(graph).infer is None

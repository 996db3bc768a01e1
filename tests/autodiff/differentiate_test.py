"""The pass that makes a training step: losses, update rules, and models that cannot be trained."""

from itertools import pairwise

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Phase, Role
from gradlet.ir.passes import Context
from gradlet.ir.program import Program
from gradlet.tests.small_models import TOOLS, Builder, apply, batches, compiled, linear, mlp, ops_of, train

RULES = ["sgd", "momentum", "momentum{nesterov=true}", "adam", "adam{weight_decay=0.1,decoupled=true}"]


def _error(graph, pipeline: str) -> CompileError:
    with pytest.raises(CompileError) as info:
        apply(graph, pipeline)
    return info.value


def test_a_step_has_its_phases_inputs_and_outputs():
    graph = apply(linear(), "differentiate")
    assert [v.name for v in graph.inputs] == ["x", "label", "lr"]
    assert graph.outputs[0].name == "loss"
    assert [n.op for n in graph.nodes if n.phase is Phase.UPDATE] == ["sgd", "sgd"]
    assert graph.outputs[1].type.shape == (4, 20)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_lowers_the_loss(rule):
    program = compiled(mlp(6, 16, 3), differentiate={"update": rule})
    batch = next(batches(program.graph))
    session = TOOLS.get("backends", "reference").open(program, None, TOOLS)
    losses = [float(session.train_step(batch)["loss"]) for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]


def test_mse_has_an_input_of_the_type_of_the_prediction():
    graph = apply(mlp(6, 8, 3), "differentiate{loss=mse}")
    assert graph.inputs[1].name == "target"
    assert graph.inputs[1].type == graph.outputs[1].type
    assert "mse" in ops_of(graph)


def test_a_model_may_compute_its_own_loss():
    b = Builder("own", 4, 3)
    y = b.dense(b.x, 2)
    loss = b.emit("mean", b.emit("mul", y, y), axis=(0, 1))
    program = compiled(b.done(loss), differentiate={"loss": "output"})
    assert program.graph.outputs[0].name == "loss"
    assert len(program.graph.outputs) == 1
    assert train(program)[0][-1] < train(program)[0][0]


def test_the_second_output_may_be_the_prediction():
    b = Builder("two", 4, 3)
    h = b.dense(b.x, 5)
    b.emit.loc = "other"
    y = b.dense(h, 2)
    graph = apply(b.done(h, y), "differentiate{prediction=1}")
    assert [v.type.shape for v in graph.outputs] == [(), (4, 5), (4, 2)]
    assert _error(mlp(4, 3), "differentiate{prediction=1}").code == "GL203"


def test_a_name_that_the_model_uses_is_not_used_twice():
    b = Builder("names", 4, 3)
    b.graph.inputs[0].name = "label"
    graph = apply(b.done(b.dense(b.x, 2)), "differentiate")
    assert [v.name for v in graph.inputs] == ["label", "label_1", "lr"]


def test_parameters_without_influence_are_frozen_and_noted():
    graph = mlp(6, 8, 3)
    unused = graph.add_state("unused", np.zeros(3, np.float32), graph.states[3].value.type, trainable=True)
    context = Context(TOOLS)
    apply(graph, "differentiate", context)
    assert graph.state_of(unused).trainable is False
    assert context.notes == ["unused does not learn: the loss does not depend on it"]


def test_nothing_to_train_is_an_error():
    graph = mlp(6, 8, 3)
    for state in graph.states:
        state.trainable = False
    assert _error(graph, "differentiate").code == "GL202"


def test_a_loss_that_depends_on_nothing_trainable_is_an_error():
    graph = mlp(6, 8, 3)
    for state in graph.states:
        state.trainable = False
    graph.add_state("unused", np.zeros(3, np.float32), graph.states[3].value.type, trainable=True)
    assert "the loss depends on no trainable parameter" in _error(graph, "differentiate").what


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "output"])
def test_a_prediction_of_the_wrong_type_is_an_error_at_its_place(loss):
    b = Builder("wrong", 4, 5, 3)
    b.emit.loc = "head"
    error = _error(b.done(b.dense(b.x, 2)), f"differentiate{{loss={loss}}}")
    assert (error.code, error.where) == ("GL203", "head")
    assert "f32[4,5,2]" in error.what


def test_mse_wants_floats():
    b = Builder("integers", 4, 3)
    y = b.emit("cast", b.dense(b.x, 2), dtype="int32")
    assert _error(b.done(y), "differentiate{loss=mse}").code == "GL203"


@pytest.mark.parametrize("text", ["loss=hinge", "update=rmsprop"])
def test_unknown_names_are_errors(text):
    assert _error(linear(), f"differentiate{{{text}}}").code == "GL504"


def test_accumulation_changes_a_parameter_every_k_steps():
    program = compiled(mlp(6, 8, 3), differentiate={"update": "momentum{every=3}"})
    session = TOOLS.get("backends", "reference").open(program, None, TOOLS)
    weights = [session.states()["layers.0.weight"]]
    for batch in batches(program.graph, 6):
        session.train_step(batch)
        weights.append(session.states()["layers.0.weight"])
    same = [np.array_equal(a, b) for a, b in pairwise(weights)]
    assert same == [True, True, False, True, True, False]
    assert int(session.states()["micro_step"]) == 6


def test_an_accumulated_step_is_the_step_of_the_mean_gradient():
    """Two halves of a batch with every=2 are one whole batch, for a loss that is a mean."""
    whole = compiled(mlp(6, 8, 3, batch=4), differentiate={"update": "sgd"})
    halves = compiled(mlp(6, 8, 3, batch=2), differentiate={"update": "sgd{every=2}"})
    a = TOOLS.get("backends", "reference").open(whole, None, TOOLS)
    b = TOOLS.get("backends", "reference").open(halves, None, TOOLS)
    for batch in batches(whole.graph, 3):
        a.train_step(batch)
        for half in (slice(0, 2), slice(2, 4)):
            b.train_step({**batch, "x": batch["x"][half], "label": batch["label"][half]})
    for state in whole.graph.states:
        np.testing.assert_allclose(a.states()[state.name], b.states()[state.name], rtol=1e-5, atol=1e-6)


def test_counters_are_shared_and_counted_last():
    graph = apply(mlp(6, 8, 3), "differentiate{update=adam{every=2}}")
    assert sorted(s.name for s in graph.states if s.role is Role.COUNTER) == ["micro_step", "update_step"]
    assert str(graph.nodes[-1].outputs[0]) == "%micro_step'"
    assert ops_of(graph).count("count") == 2


def test_moments_have_the_shape_of_what_learns():
    graph = mlp(6, 8, 3)
    program = compiled(graph, sparse_update={"scheme": "full{ratio=0.5}"}, differentiate={"update": "adam"})
    shapes = {s.name: s.value.type.shape for s in program.graph.states if s.role is Role.MOMENT}
    assert shapes["layers.0.weight.mean"] == (8, 3)
    assert shapes["layers.0.bias.square"] == (8,)


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam"])
def test_groups_have_one_step_at_least(rule):
    error = _error(linear(), f"differentiate{{update={rule}{{every=0}}}}")
    assert error.code == "GL212"


def test_the_program_that_is_given_is_the_one_that_trains():
    program = compiled(linear())
    assert isinstance(program, Program)
    assert program.trains

"""A whole compilation: the inference that belongs to a step, one arena for both, and a new head."""

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Phase, Role, Source, written_states
from gradlet.ir.memory_plan import check
from gradlet.ir.passes import Context
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import i32
from gradlet.optimizers.clone import clone
from gradlet.optimizers.compilation import optimize
from gradlet.optimizers.inference import inference_graph
from gradlet.tests.small_models import TOOLS, Builder, apply, batches, compiled, conv_net, linear, mlp, ops_of, train

# ------------------------------------------------------------------ clone


def test_a_clone_is_the_same_graph_of_other_objects():
    step = compiled(conv_net(), "train", sparse_update={"scheme": "last_2{ratio=0.5}"}).graph
    copy = clone(step)
    assert str(copy) == str(step)
    assert not {*copy.values()} & {*step.values()}
    assert all(a.init is b.init for a, b in zip(copy.states, step.states, strict=True))
    apply(copy, "dead_code")
    copy.nodes[0].attrs["activation"] = "none"
    assert step.nodes[0].attrs["activation"] == "relu6"


# ------------------------------------------------------------------ inference


def _with_dropout_and_statistics() -> Graph:
    b = Builder("training", 6, 5)
    gamma, beta = b.state("gamma", np.ones(4)), b.state("beta", np.zeros(4))
    mean, var = (b.state(n, np.ones(4), Role.BUFFER) for n in ("mean", "var"))
    drawn = b.graph.add_state("drawn", np.zeros((), np.int32), i32(), Role.COUNTER)
    h = b.emit("batch_norm_train", b.dense(b.x, 4), gamma, beta, mean, var, eps=0.1, momentum=0.1)
    h = b.emit("dropout", b.emit("relu", h), drawn, rate=0.5, seed=3)
    b.emit.loc = "head"
    return b.done(b.dense(h, 3))


def test_what_belongs_to_training_is_not_there():
    program = compiled(_with_dropout_and_statistics())
    infer = program.infer
    assert ops_of(infer) == ["dense", "batch_norm", "relu", "dense"]
    assert {n.phase for n in infer.nodes} == {Phase.FORWARD}
    assert [v.name for v in infer.inputs] == ["x"]
    assert [v.type.shape for v in infer.outputs] == [(6, 3)]
    names = {s.name for s in infer.states}
    assert names <= {s.name for s in program.graph.states}
    assert "mean" in names
    assert "drawn" not in names
    assert not written_states(infer)


def test_statistics_that_were_learned_are_used():
    program = compiled(_with_dropout_and_statistics())
    session = TOOLS.get("backends", "reference").open(program, None, TOOLS)
    batch = next(batches(program.graph))
    before = session.states()
    session.train_step(batch)
    after = session.states()
    assert not np.array_equal(before["mean"], after["mean"])
    (new,) = session.infer({"x": batch["x"]}).values()
    session.set_states({name: before[name] for name in ("mean", "var")})
    (old,) = session.infer({"x": batch["x"]}).values()
    assert not np.array_equal(new, old)


def test_an_inference_predicts_what_the_step_predicts():
    program = compiled(conv_net())
    session = TOOLS.get("backends", "reference").open(program, None, TOOLS)
    batch = next(batches(program.graph))
    (predicted,) = session.infer({"x": batch["x"]}).values()
    _, from_step = session.train_step(batch).values()
    np.testing.assert_array_equal(predicted, from_step)


def test_a_model_with_its_own_loss_predicts_it():
    b = Builder("own", 4, 3)
    y = b.dense(b.x, 2)
    graph = apply(b.done(b.emit("mean", b.emit("mul", y, y), axis=(0, 1))), "differentiate{loss=output}")
    infer = inference_graph(graph, TOOLS.ops)
    assert [v.type.shape for v in infer.outputs] == [()]


# ------------------------------------------------------------------ one arena


@pytest.mark.parametrize("scheme", ["full", "bias_only", "head_only"])
@pytest.mark.parametrize("graph", [mlp(64, 64, 3), conv_net(), _with_dropout_and_statistics()])
def test_common_inputs_have_one_place(graph, scheme):
    program = compiled(graph, "train", sparse_update={"scheme": scheme})
    step, infer = program.graph, program.infer
    check(step, TOOLS.ops, step.plan)
    check(infer, TOOLS.ops, infer.plan)
    at = {v.name: step.plan.offsets()[v] for v in step.inputs}
    assert all(infer.plan.offsets()[v] == at[v.name] for v in infer.inputs)


def test_the_pipeline_is_written_down():
    program = compiled(linear(), "train", differentiate={"update": "momentum{momentum=0.5}"})
    assert "differentiate{update=momentum{momentum=0.5}}" in program.pipeline
    assert program.pipeline[-1] == "place_buffers"


def test_kernels_are_chosen_for_both_graphs():
    seen = []
    context = Context(TOOLS, choose=seen.append)
    program = optimize(Program(linear()), context, "train")
    assert program.graph in seen
    assert program.infer in seen


def test_stopping_early_leaves_no_plan():
    program = optimize(Program(linear()), Context(TOOLS), "train", stop_after="differentiate")
    assert program.graph.plan is None
    assert program.infer is not None
    assert program.infer.plan is None


# ------------------------------------------------------------------ replace_head


@pytest.mark.parametrize("build", [lambda: mlp(6, 8, 3), conv_net])
def test_a_new_head_has_other_classes_and_trains(build):
    graph = build()
    graph.states[-1].source = Source("fc.bias", (3,), (3,), (0,))
    graph = apply(graph, "replace_head{classes=7,seed=2}")
    assert graph.outputs[0].type.shape[-1] == 7
    assert graph.states[-1].init.tolist() == [0] * 7
    assert graph.states[-1].source.shape == (7,)
    assert np.std(graph.states[-2].init) == pytest.approx(np.sqrt(2 / graph.states[-2].init.shape[1]), rel=0.5)
    assert np.isfinite(train(compiled(graph))[0]).all()


def test_a_pointwise_head_followed_by_a_pool():
    b = Builder("pool", 2, 4, 4, 3)
    h = b.conv(b.x, 5)
    y = b.emit("reshape", b.emit("mean", h, axis=(1, 2), keepdims=True), shape=(2, 5))
    graph = apply(b.done(y), "replace_head{classes=9}")
    assert graph.outputs[0].type.shape == (2, 9)
    assert graph.states[0].init.shape == (9, 1, 1, 3)


def test_the_seed_decides_the_head():
    heads = [apply(mlp(6, 8, 3), f"replace_head{{classes=4,seed={s}}}").states[2].init for s in (0, 0, 1)]
    assert np.array_equal(heads[0], heads[1])
    assert not np.array_equal(heads[0], heads[2])


def _refused(graph: Graph) -> CompileError:
    with pytest.raises(CompileError) as info:
        apply(graph, "replace_head{classes=9}")
    return info.value


def test_heads_that_cannot_be_replaced():
    b = Builder("three", 2, 4, 4, 3)
    b.emit.loc = "last"
    error = _refused(b.done(b.conv(b.x, 4, 3)))
    assert (error.code, error.where) == ("GL223", "last")
    b = Builder("none", 2, 3)
    assert _refused(b.done(b.emit("relu", b.x))).code == "GL223"
    b = Builder("fixed", 2, 3)
    y = b.emit("add", b.dense(b.x, 4), b.emit("full", shape=(2, 4), value=1.0))
    assert _refused(b.done(y)).code == "GL223"
    b = Builder("reshaped", 2, 3)
    assert _refused(b.done(b.emit("reshape", b.dense(b.x, 4), shape=(2, 2, 2)))).code == "GL223"
    b = Builder("norm", 2, 3)
    assert _refused(b.done(b.batch_norm(b.dense(b.x, 4)))).code == "GL223"


def test_a_head_of_no_classes():
    with pytest.raises(CompileError) as info:
        apply(mlp(6, 8, 3), "replace_head{classes=0}")
    assert info.value.code == "GL212"

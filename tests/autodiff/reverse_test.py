"""Reverse mode: sums over several users, nothing on frozen paths, and finite differences as the witness."""

import numpy as np
import pytest

from gradlet.autodiff.reverse import differentiate
from gradlet.backends.reference.executor import Executor
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Phase
from gradlet.ir.tensor_type import f32
from gradlet.ir.verifier import verify
from gradlet.tests.small_models import TOOLS, Builder, conv_net, mlp, ops_of


def _gradients(graph: Graph, wanted) -> dict[str, np.ndarray]:
    """Gradients of the sum of the output, from the executor in double precision."""
    output = graph.outputs[0]
    seed = graph.add_input("seed", output.type)
    found = differentiate(graph, TOOLS.ops, output, seed, wanted)
    graph.outputs = list(found.values())
    verify(graph, TOOLS.ops)
    results = Executor(graph, TOOLS.ops, float64=True).run(_inputs(graph))
    return {v.name: results[g.name] for v, g in found.items()}


def _inputs(graph: Graph) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    drawn = {v.name: rng.normal(size=v.type.shape) for v in graph.inputs}
    return {name: np.ones_like(a) if name == "seed" else a for name, a in drawn.items()}


def _difference(build, state: str, direction: np.ndarray) -> float:
    """Slope of the summed output when a state moves along a direction."""

    def total(step: float) -> float:
        graph = build()
        executor = Executor(graph, TOOLS.ops, float64=True)
        executor.states[state] = executor.states[state] + step * direction
        return float(sum(a.sum() for a in executor.run(_inputs(graph)).values()))

    return (total(1e-6) - total(-1e-6)) / 2e-6


@pytest.mark.parametrize("build", [lambda: mlp(5, 7, 6, 3), conv_net], ids=["mlp", "conv_net"])
def test_gradients_are_slopes(build):
    graph = build()
    found = _gradients(graph, [s.value for s in graph.states])
    assert sorted(found) == sorted(s.name for s in graph.states)
    rng = np.random.default_rng(0)
    for name, gradient in found.items():
        direction = rng.normal(size=gradient.shape)
        slope = float(np.sum(gradient * direction))
        assert slope == pytest.approx(_difference(build, name, direction), rel=1e-5, abs=1e-7)


def test_several_users_sum():
    b = Builder("users", 2, 3)
    w = b.state("w", np.ones(3))
    y = b.emit("add", b.emit("mul", b.x, w), b.emit("add", b.emit("mul", b.x, w), w))
    x = _inputs(b.graph)["x"]
    found = _gradients(b.done(y), [w])
    np.testing.assert_allclose(found["w"], 2 * x.sum(axis=0) + 2)


def test_one_operand_read_twice_by_a_node():
    b = Builder("square", 2, 3)
    w = b.state("w", np.array([1.0, 2.0, 3.0]))
    y = b.emit("mul", w, w)
    found = _gradients(b.done(b.emit("mul", y, b.emit("mul", w, w))), [w])
    np.testing.assert_allclose(found["w"], 4 * np.array([1.0, 2.0, 3.0]) ** 3)


def test_a_residual_sums_both_branches():
    b = Builder("residual", 2, 4)
    w = b.weight(4, 4)
    h = b.emit("tanh", b.emit("dense", b.x, w))
    y = b.emit("add", h, b.emit("sigmoid", h))
    x = _inputs(b.graph)["x"]
    weights = b.graph.states[0].init.astype(np.float64)
    t = np.tanh(x @ weights.T)
    s = 1 / (1 + np.exp(-t))
    found = _gradients(b.done(y), [w])
    np.testing.assert_allclose(found["weight"], ((1 - t**2) * (1 + s * (1 - s))).T @ x, rtol=1e-6)


def test_frozen_paths_have_no_nodes():
    graph = mlp(5, 7, 6, 3)
    before = len(graph.nodes)
    seed = graph.add_input("seed", graph.outputs[0].type)
    last_weight = graph.states[4].value
    found = differentiate(graph, TOOLS.ops, graph.outputs[0], seed, [last_weight])
    made = graph.nodes[before:]
    assert [n.op for n in made] == ["dense_weight_grad"]
    assert made[0].outputs == [found[last_weight]]
    assert {n.phase for n in made} == {Phase.BACKWARD}


def test_input_gradient_of_the_first_layer_is_never_made():
    graph = mlp(5, 7, 3)
    seed = graph.add_input("seed", graph.outputs[0].type)
    differentiate(graph, TOOLS.ops, graph.outputs[0], seed, [s.value for s in graph.states])
    assert ops_of(graph).count("matmul") == 1, "of the second layer"


def test_what_the_output_does_not_depend_on_has_no_gradient():
    graph = mlp(5, 7, 3)
    other = graph.add_state("other", np.zeros(3, np.float32), f32(3), trainable=True)
    seed = graph.add_input("seed", graph.outputs[0].type)
    found = differentiate(graph, TOOLS.ops, graph.outputs[0], seed, [other, graph.states[3].value])
    assert list(found) == [graph.states[3].value]


def test_intermediate_values_can_be_wanted():
    graph = mlp(5, 7, 3)
    hidden = graph.nodes[2].outputs[0]
    seed = graph.add_input("seed", graph.outputs[0].type)
    found = differentiate(graph, TOOLS.ops, graph.outputs[0], seed, [hidden])
    assert found[hidden].type == hidden.type


def test_nothing_flows_through_integers():
    b = Builder("steps", 2, 3)
    w = b.state("w", np.array([1.5, -0.5, 2.5]))
    rounded = b.emit("cast", b.emit("cast", w, dtype="int32"), dtype="float32")
    found = _gradients(b.done(b.emit("add", b.x, rounded)), [w])
    assert found == {}


def test_several_results_with_gradient():
    b = Builder("split", 2, 4)
    w = b.state("w", np.arange(4.0))
    first, second = b.emit.node("split", w, axis=0, sizes=(1, 3)).outputs
    y = b.emit("sum", b.emit("mul", second, second), axis=(0,))
    found = _gradients(b.done(b.emit("add", y, b.emit("sum", first, axis=(0,)))), [w])
    np.testing.assert_allclose(found["w"], [1, 2, 4, 6])


def test_a_result_without_gradient_counts_as_none():
    """Of the two parts only one reaches the output."""
    b = Builder("part", 2, 4)
    w = b.state("w", np.arange(4.0))
    _, second = b.emit.node("split", w, axis=0, sizes=(1, 3)).outputs
    found = _gradients(b.done(b.emit("sum", second, axis=(0,))), [w])
    np.testing.assert_allclose(found["w"], [0, 1, 1, 1])


def test_an_op_without_gradient_is_an_error_that_names_the_place():
    b = Builder("masked", 2, 3)
    w = b.state("w", np.ones(3))
    b.emit.loc = "features.3"
    y = b.emit("relu_grad", b.x, b.emit("add", b.x, w))
    graph = b.done(y)
    seed = graph.add_input("seed", y.type)
    with pytest.raises(CompileError) as info:
        differentiate(graph, TOOLS.ops, y, seed, [w])
    assert info.value.code == "GL201"
    assert "relu_grad has no gradient" in str(info.value)
    assert "--> features.3" in str(info.value)
    assert "freeze the layers before it" in str(info.value)


def test_a_frozen_layer_may_be_of_an_op_without_gradient():
    b = Builder("masked", 2, 3)
    y = b.emit("relu_grad", b.x, b.x)
    w = b.weight(2, 3)
    graph = b.done(b.emit("dense", y, w))
    seed = graph.add_input("seed", graph.outputs[0].type)
    assert list(differentiate(graph, TOOLS.ops, graph.outputs[0], seed, [w])) == [w]


def test_gradient_rules_get_the_place_of_their_node():
    graph = mlp(5, 7, 3)
    seed = graph.add_input("seed", graph.outputs[0].type)
    differentiate(graph, TOOLS.ops, graph.outputs[0], seed, [s.value for s in graph.states])
    assert {n.loc for n in graph.nodes} == {"layers.0", "layers.1"}

"""Passes that merge and fold: what they make, what they leave alone, and that the numbers stay."""

import numpy as np
import pytest

from gradlet.backends.reference.executor import Executor
from gradlet.ir.graph import Graph, Role
from gradlet.tests.small_models import TOOLS, Builder, apply, batches, compiled, conv_net, ops_of, train


def _outputs(graph: Graph) -> np.ndarray:
    results = Executor(graph, TOOLS.ops).run(next(batches(graph)))
    return results[graph.outputs[0].name]


def _kept(build, pipeline: str, rtol: float = 0.0) -> Graph:
    """The graph after the passes, which gives what it gave before."""
    graph = apply(build(), pipeline)
    np.testing.assert_allclose(_outputs(graph), _outputs(build()), rtol=rtol, atol=rtol)
    return graph


def _frozen(graph: Graph) -> Graph:
    for state in graph.states:
        state.trainable = False
    return graph


# ------------------------------------------------------------------ fuse


def _after(op: str, **attrs) -> Graph:
    b = Builder("after", 2, 4, 4, 3)
    return b.done(b.emit(op, b.conv(b.x, 4), **attrs))


@pytest.mark.parametrize(
    ("op", "attrs", "activation"),
    [
        ("relu", {}, "relu"),
        ("clip", {"lo": 0.0, "hi": 6.0}, "relu6"),
        ("clip", {"lo": 0.0, "hi": float("inf")}, "relu"),
    ],
)
def test_bias_and_activation_go_into_the_convolution(op, attrs, activation):
    graph = _kept(lambda: _after(op, **attrs), "fuse")
    assert ops_of(graph) == ["conv2d"]
    assert graph.nodes[0].attrs["activation"] == activation
    assert len(graph.nodes[0].inputs) == 3


@pytest.mark.parametrize(("op", "attrs"), [("clip", {"lo": -1.0, "hi": 1.0}), ("tanh", {}), ("sigmoid", {})])
def test_other_functions_stay(op, attrs):
    assert ops_of(_kept(lambda: _after(op, **attrs), "fuse")) == ["conv2d", op]


def test_depthwise_and_dense_fuse_too():
    graph = _kept(conv_net, "fuse")
    assert ops_of(graph) == ["conv2d", "conv2d", "depthwise_conv2d", "conv2d", "add", "mean", "dense"]


def test_what_another_node_reads_stays():
    def build():
        b = Builder("shared", 2, 3)
        y = b.emit("dense", b.x, b.weight(4, 3))
        z = b.emit("bias_add", y, b.bias(4))
        return b.done(b.emit("add", b.emit("relu", z), y))

    assert ops_of(_kept(build, "fuse")) == ["dense", "bias_add", "relu", "add"]


def test_what_the_graph_returns_stays():
    b = Builder("returned", 2, 3)
    y = b.dense(b.x, 4)
    graph = b.done(b.emit("relu", y), y)
    assert ops_of(apply(graph, "fuse")) == ["dense", "relu"]


def test_a_second_bias_stays():
    b = Builder("biases", 2, 3)
    y = b.dense(b.x, 4)
    b.emit.loc = "second"
    graph = b.done(b.emit("bias_add", y, b.bias(4)))
    assert ops_of(apply(graph, "fuse")) == ["dense", "bias_add"]


def test_nothing_goes_behind_an_activation():
    b = Builder("activated", 2, 3)
    y = b.emit("dense", b.x, b.weight(4, 3), activation="relu")
    graph = b.done(b.emit("clip", b.emit("bias_add", y, b.bias(4)), lo=0.0, hi=6.0))
    assert ops_of(apply(graph, "fuse")) == ["dense", "bias_add", "clip"]


@pytest.mark.parametrize("scale_first", [True, False])
def test_scale_and_mask_become_one(scale_first):
    def build():
        b = Builder("masked", 2, 3)
        mask = b.emit("inside", b.x, lo=0.0, hi=1.0)
        if scale_first:
            return b.done(b.emit("masked", b.emit("scale", b.x, factor=0.25), mask))
        half = b.emit("full", shape=(), value=0.5)
        return b.done(b.emit("mul", b.emit("masked", b.x, mask, scale=0.5), half))

    graph = _kept(build, "fuse,dead_code")
    assert ops_of(graph) == ["inside", "masked"]
    assert graph.nodes[-1].attrs["scale"] == 0.25


# ------------------------------------------------------------------ constants


def _with_constant(frozen: bool) -> Graph:
    b = Builder("constant", 2, 3)
    w = b.weight(3, 4)
    if frozen:
        _frozen(b.graph)
    return b.done(b.emit("dense", b.x, b.emit("scale", b.emit("transpose", w, axes=(1, 0)), factor=2.0)))


def test_frozen_operands_fold():
    graph = _kept(lambda: _with_constant(True), "fold_constants,dead_code")
    assert ops_of(graph) == ["dense"]
    assert len(graph.states) == 1


def test_what_learns_does_not_fold():
    assert ops_of(apply(_with_constant(False), "fold_constants")) == ["transpose", "scale", "dense"]


def test_what_the_step_writes_does_not_fold():
    b = Builder("written", 4, 3)
    gamma, beta = b.state("gamma", np.ones(3)), b.state("beta", np.zeros(3))
    mean, var = (b.state(n, np.full(3, a), Role.BUFFER) for n, a in (("mean", 0.5), ("var", 1.0)))
    _frozen(b.graph)
    shifted = b.emit("scale", mean, factor=2.0)
    y = b.emit("batch_norm_train", b.x, gamma, beta, mean, var, eps=0.1, momentum=0.1)
    graph = b.done(b.emit("bias_add", y, shifted))
    assert "scale" in ops_of(apply(graph, "fold_constants"))


def test_a_large_result_of_a_small_operand_stays():
    b = Builder("large", 2, 3)
    small = b.emit("broadcast_to", b.state("small", np.ones(1)), shape=(2, 3, 1000))
    _frozen(b.graph)
    graph = b.done(b.emit("add", small, b.emit("reshape", b.x, shape=(2, 3, 1))))
    assert "broadcast_to" in ops_of(apply(graph, "fold_constants"))
    assert "broadcast_to" not in ops_of(apply(graph, "fold_constants{max_growth=100000}"))


def test_constants_of_the_backward_fold():
    """The gradient of a frozen batch norm divides by a standard deviation that never changes."""
    b = Builder("norm", 4, 3)
    y = b.batch_norm(b.dense(b.x, 5))
    _frozen(b.graph)
    b.graph.states[0].trainable = True
    graph = apply(b.done(y), "differentiate,fold_constants,dead_code")
    assert "sqrt" not in ops_of(graph)


# ------------------------------------------------------------------ batch norm


def test_batch_norm_goes_into_weights_and_bias():
    graph = _kept(lambda: conv_net(batch_norm=True), "fold_batch_norm", 1e-5)
    assert "batch_norm" not in ops_of(graph)
    assert {s.role for s in graph.states} == {Role.PARAMETER}


@pytest.mark.parametrize("op", ["conv2d", "depthwise_conv2d", "dense"])
def test_a_missing_bias_is_made(op):
    def build():
        b = Builder("plain", 2, 4, 4, 3) if op != "dense" else Builder("plain", 2, 3)
        b.emit.loc = "conv"
        shape = {"conv2d": (5, 1, 1, 3), "depthwise_conv2d": (1, 1, 3), "dense": (5, 3)}[op]
        window = {} if op == "dense" else {"strides": (1, 1), "padding": (0, 0, 0, 0)}
        return b.done(b.batch_norm(b.emit(op, b.x, b.weight(*shape), **window)))

    graph = _kept(build, "fold_batch_norm", 1e-5)
    assert ops_of(graph) == [op]
    assert [s.name for s in graph.states] == ["conv.weight", "conv.bias"]
    assert graph.states[1].trainable, "as beta was"


def test_frozen_only_leaves_what_learns():
    graph = conv_net(batch_norm=True)
    assert ops_of(apply(graph, "fold_batch_norm{frozen_only=true}")).count("batch_norm") == 3
    assert "batch_norm" not in ops_of(apply(_frozen(graph), "fold_batch_norm{frozen_only=true}"))


def test_a_folded_frozen_part_trains_as_before():
    def build():
        graph = conv_net(batch_norm=True)
        for state in graph.states:
            state.trainable = state.name.startswith("fc")
        return graph

    plain = compiled(build(), "differentiate,dead_code")
    folded = compiled(build(), "fold_batch_norm,differentiate,dead_code")
    (a, states_a), (b, states_b) = train(plain), train(folded)
    np.testing.assert_allclose(a, b, rtol=1e-5)
    np.testing.assert_allclose(states_a["fc.weight"], states_b["fc.weight"], rtol=1e-5, atol=1e-6)


def test_statistics_that_are_learned_stay():
    b = Builder("training", 4, 3)
    gamma, beta = b.state("gamma", np.ones(5)), b.state("beta", np.zeros(5))
    mean, var = (b.state(n, np.ones(5), Role.BUFFER) for n in ("mean", "var"))
    y = b.emit("batch_norm_train", b.dense(b.x, 5), gamma, beta, mean, var, eps=0.1, momentum=0.1)
    assert "batch_norm_train" in ops_of(apply(b.done(y), "fold_batch_norm"))


def test_a_shared_weight_stays():
    b = Builder("shared", 4, 5)
    w = b.weight(5, 5)
    y = b.batch_norm(b.emit("dense", b.x, w))
    graph = b.done(b.emit("dense", y, w))
    assert "batch_norm" in ops_of(apply(graph, "fold_batch_norm"))


def test_an_activation_between_stays():
    b = Builder("between", 4, 5)
    graph = b.done(b.batch_norm(b.emit("relu", b.dense(b.x, 5))))
    assert "batch_norm" in ops_of(apply(graph, "fold_batch_norm"))

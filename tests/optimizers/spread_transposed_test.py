"""Transposed convolutions written as convolutions compute the same, and are given back as the user has them."""

import numpy as np
import pytest

from gradlet.backends.reference.executor import Executor
from gradlet.ir.graph import Graph, Source
from gradlet.ir.op_def import Emit
from gradlet.ir.ops.conv2d import CONV2D_INPUT_GRAD
from gradlet.ir.tensor_type import f32
from gradlet.optimizers.clone import clone
from gradlet.tests.small_models import TOOLS, apply

# Shapes of x and the result, kernel, attributes.
WINDOWS = {
    "same": ((2, 4, 5, 3), (8, 10), (3, 3), {"strides": (2, 2), "padding": (0, 0, 1, 1)}),
    "one": ((2, 4, 5, 3), (4, 5), (3, 3), {"strides": (1, 1), "padding": (1, 1, 1, 1)}),
    "strides_above_the_kernel": ((1, 3, 2, 3), (10, 6), (2, 1), {"strides": (4, 3), "padding": (0, 0, 0, 0)}),
    "cut": ((1, 3, 4, 2), (9, 14), (2, 2), {"strides": (4, 4), "padding": (0, 0, 1, 0)}),
    "dilated": ((1, 4, 5, 2), (10, 9), (3, 2), {"strides": (2, 1), "padding": (1, 1, 1, 0), "dilation": (2, 5)}),
    "padding_above_the_kernel": ((1, 5, 6, 2), (3, 2), (1, 1), {"strides": (1, 1), "padding": (1, 2, 1, 2)}),
}


def graph_of(name: str, source: Source | None = None, **more: int) -> Graph:
    shape, size, kernel, attrs = WINDOWS[name]
    graph, rng, groups = Graph("net"), np.random.default_rng(0), more.get("groups", 1)
    x = graph.add_input("x", f32(*shape))
    w = rng.normal(size=(shape[3], *kernel, 4 // groups)).astype(np.float32)
    weight = graph.add_state("weight", w, f32(*w.shape), trainable=True, source=source)
    y = Emit(TOOLS.ops, graph)("conv2d_input_grad", x, weight, input_shape=(shape[0], *size, 4), **attrs, **more)
    graph.outputs = [y]
    return graph


def result(graph: Graph) -> np.ndarray:
    x = np.random.default_rng(1).normal(size=graph.inputs[0].type.shape).astype(np.float32)
    return Executor(graph, TOOLS.ops).run({"x": x})[graph.outputs[0].name]


def test_windows_are_those_of_the_op():
    for shape, size, kernel, attrs in WINDOWS.values():
        types = [f32(*shape), f32(shape[3], *kernel, 4)]
        (y,) = CONV2D_INPUT_GRAD.infer(types, {"input_shape": (shape[0], *size, 4), **attrs})
        assert y.shape[1:3] == size


@pytest.mark.parametrize("name", WINDOWS)
def test_is_the_same(name):
    graph = graph_of(name)
    changed = apply(clone(graph), "spread_transposed")
    assert {"conv2d", "conv2d_input_grad"} & {node.op for node in changed.nodes} == {"conv2d"}
    np.testing.assert_allclose(result(changed), result(graph), rtol=1e-5, atol=1e-5)


# As PyTorch has it: of an image, and of a signal.
SOURCES = {
    "same": Source("up.weight", (3, 4, 3, 3), (3, 4, 3, 3), (0, 2, 3, 1)),
    "padding_above_the_kernel": Source("up.weight", (2, 4, 1), (2, 4, 1), (0, 2, 1)),
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_weight_is_given_back(name):
    source = SOURCES[name]
    before, after = graph_of(name, source), apply(graph_of(name, source), "spread_transposed")
    (old,), (new,) = before.states, after.states
    user = source.to_user(old.init)
    assert user.shape == source.shape
    np.testing.assert_array_equal(new.source.to_user(new.init), user)
    np.testing.assert_array_equal(new.source.to_ir(user, new.init.shape), new.init)


def test_a_batch_norm_becomes_part_of_it():
    """And the weight is given back as it was without."""
    source = SOURCES["same"]
    graph = graph_of("same", source)
    emit, rng = Emit(TOOLS.ops, graph), np.random.default_rng(2)
    drawn = [rng.uniform(0.5, 1.5, 4).astype(np.float32) for _ in range(4)]
    states = [graph.add_state(f"norm.{k}", array, f32(4)) for k, array in enumerate(drawn)]
    graph.outputs = [emit("batch_norm", graph.outputs[0], *states, eps=1e-5)]
    changed = apply(clone(graph), "spread_transposed,fold_batch_norm")
    assert "batch_norm" not in {node.op for node in changed.nodes}
    np.testing.assert_allclose(result(changed), result(graph), rtol=1e-5, atol=1e-5)
    weight = next(s for s in changed.states if s.name == "weight")
    user = source.to_user(graph.states[0].init)
    np.testing.assert_allclose(weight.source.to_user(weight.init), user, rtol=1e-6)


def test_groups_stay():
    graph = graph_of("padding_above_the_kernel", groups=2)
    assert [node.op for node in apply(graph, "spread_transposed").nodes] == ["conv2d_input_grad"]

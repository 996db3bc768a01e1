"""A transposed convolution is a layer as others are: schemes choose it, and the part of its weight that learns."""

import numpy as np
import pytest

from gradlet.ir.graph import Graph
from gradlet.optimizers.channel_order import channels_of
from gradlet.optimizers.clone import clone
from gradlet.optimizers.layers import find_layers
from gradlet.tests.small_models import Builder, compiled, train


def decoder() -> Graph:
    """A convolution, one that doubles the size, and a convolution to the classes of an image."""
    b = Builder("decoder", 2, 4, 5, 3)
    b.emit.loc = "first"
    x = b.emit("relu", b.conv(b.x, 6, 3))
    b.emit.loc = "up"
    doubled = {"input_shape": (2, 8, 10, 4), "strides": (2, 2), "padding": (0, 0, 1, 1)}
    x = b.emit("conv2d_input_grad", x, b.weight(6, 3, 3, 4), **doubled)
    x = b.emit("relu", b.emit("bias_add", x, b.bias(4)))
    b.emit.loc = "last"
    x = b.conv(x, 5, 3)
    b.emit.loc = "fc"
    return b.done(b.dense(b.emit("mean", x, axis=(1, 2)), 3))


def test_is_a_layer():
    layers, head = find_layers(decoder())
    assert [layer.name for layer in layers] == ["first", "up", "last"]
    assert [state.name for state in (layers[1].weight, *layers[1].biases)] == ["up.weight", "up.bias"]
    assert head is not None and head.name == "fc"


@pytest.mark.parametrize("node", ["relu", "conv2d_input_grad"])
def test_its_channels_can_be_put_in_another_order(node):
    graph, changed = decoder(), clone(decoder())
    value = next(n for n in changed.nodes if n.op == node).outputs[0]
    channels = channels_of(changed, value)
    assert channels is not None
    channels.reorder(np.random.default_rng(0).permutation(value.type.shape[-1]))
    losses = [train(compiled(g, sparse_update={"scheme": "full"}))[0] for g in (graph, changed)]
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.parametrize(("ratio", "rows"), [(0.5, 3), (1.0, 6)])
def test_the_part_that_learns_does_as_in_the_whole(ratio, rows):
    schemes = "last_2", f"last_2{{ratio={ratio}}}"
    whole, part = (compiled(decoder(), sparse_update={"scheme": scheme}) for scheme in schemes)
    state = next(s for s in part.graph.states if s.name == "up.weight")
    before = state.init.copy()
    wanted, after = (train(program, 1)[1]["up.weight"] for program in (whole, part))
    moved = (after != before).any(axis=(1, 2, 3))
    assert moved.sum() == rows
    # A scheme may put rows in another order: each is found by what it was.
    original = next(s for s in decoder().states if s.name == "up.weight").init
    order = [int(np.flatnonzero((original == row).all(axis=(1, 2, 3)))[0]) for row in before]
    np.testing.assert_allclose(after[moved], wanted[order][moved], rtol=1e-5)

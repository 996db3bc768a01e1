"""What the forward keeps for the backward: parts instead of wholes, bits instead of floats; and dead code."""

import numpy as np
import pytest

from gradlet.ir.graph import Graph, Phase, Region
from gradlet.ir.op_def import Emit
from gradlet.tests.small_models import TOOLS, Builder, apply, compiled, conv_net, linear, mlp, ops_of, train

PLAIN = "sparse_update,differentiate,dead_code"


def _same_training(graph: Graph, extra: str, **options) -> Graph:
    """The step with extra passes, which trains as without them: to rounding where a product has fewer columns."""
    plain, changed = compiled(graph, PLAIN, **options), compiled(graph, f"{PLAIN},{extra}", **options)
    (losses, states), (new_losses, new_states) = train(plain), train(changed)
    np.testing.assert_allclose(new_losses, losses, rtol=1e-6)
    tolerance = 1e-6 if "push_slices" in extra else 0
    for name, array in states.items():
        np.testing.assert_allclose(new_states[name], array, rtol=tolerance, atol=tolerance)
    return changed.graph


# ------------------------------------------------------------------ push_slices


def test_a_slice_moves_into_the_forward():
    graph = linear()
    graph.states[0].region = Region(1, 2, 7)
    step = _same_training(graph, "push_slices")
    cut = next(n for n in step.nodes if n.op == "slice")
    assert cut.phase is Phase.FORWARD
    assert cut.inputs == [step.inputs[0]]
    assert step.nodes[0] is cut, "right after the whole is there"
    gradient = next(n for n in step.nodes if n.op == "dense_weight_grad")
    assert gradient.outputs[0].type.shape == (20, 5)


def test_a_slice_of_rows_moves_into_the_gradient():
    graph = linear()
    graph.states[0].region = Region(0, 0, 4)
    step = _same_training(graph, "push_slices")
    cut = next(n for n in step.nodes if n.op == "slice")
    assert cut.phase is Phase.BACKWARD
    assert cut.inputs[0].producer.op == "softmax_cross_entropy_grad"


def test_what_the_backward_needs_whole_is_cut_there():
    """sigmoid_grad reads all of what the next layer needs a part of."""
    b = Builder("whole", 4, 6)
    b.emit.loc = "first"
    h = b.emit("sigmoid", b.dense(b.x, 8))
    b.emit.loc = "second"
    graph = b.done(b.dense(h, 3))
    graph.states[2].region = Region(1, 0, 4)
    step = _same_training(graph, "push_slices")
    assert [n.phase for n in step.nodes if n.op == "slice"] == [Phase.BACKWARD]


def test_an_operand_of_two_gradients_is_cut_where_it_is_needed():
    b = Builder("twice", 4, 6)
    b.emit.loc = "a"
    left = b.dense(b.x, 5)
    b.emit.loc = "b"
    graph = b.done(b.emit("add", left, b.dense(b.x, 5)))
    graph.states[0].region = Region(1, 0, 3)
    step = _same_training(graph, "push_slices")
    cut = next(n for n in step.nodes if n.op == "slice")
    assert cut.phase is Phase.BACKWARD, "the other layer needs all of x"
    graph.states[2].region = Region(1, 0, 3)
    step = _same_training(graph, "push_slices")
    assert sum(n.op == "slice" for n in step.nodes) == 1, "both layers share it"


def test_a_sum_of_gradients_is_cut_in_its_terms():
    """A weight that two layers share has the sum of two gradients."""
    b = Builder("shared", 4, 6)
    w = b.weight(6, 6)
    h = b.emit("tanh", b.emit("dense", b.x, w))
    graph = b.done(b.emit("dense", h, w))
    graph.states[0].region = Region(1, 0, 2)
    step = _same_training(graph, "push_slices")
    assert [n.outputs[0].type.shape for n in step.nodes if n.op == "dense_weight_grad"] == [(6, 2), (6, 2)]


@pytest.mark.parametrize("ratio", [0.3, 0.5])
def test_slices_of_convolutions(ratio):
    _same_training(conv_net(), "push_slices", sparse_update={"scheme": f"full{{ratio={ratio}}}"})


def test_a_slice_of_a_slice_moves_once():
    b = Builder("slices", 3, 4, 4, 6)
    part = b.emit("slice", b.x, axis=1, begin=0, end=3)
    h = b.emit("tanh", b.conv(part, 4))
    cut = b.emit("slice", h, axis=2, begin=1, end=4)
    graph = b.done(b.emit("mean", b.emit("slice", cut, axis=1, begin=0, end=2), axis=(1, 2)))
    _same_training(graph, "push_slices")


def test_partial_updates_keep_less():
    whole = compiled(mlp(64, 64, 8), "train", sparse_update={"scheme": "last_1"})
    part = compiled(mlp(64, 64, 8), "train", sparse_update={"scheme": "last_1{ratio=0.25}"})
    assert part.graph.plan.arena_bytes < whole.graph.plan.arena_bytes


# ------------------------------------------------------------------ save_masks


def test_an_activation_that_only_its_sign_needs_is_kept_as_bits():
    step = _same_training(conv_net(), "save_masks", sparse_update={"scheme": "bias_only"})
    assert "clip_grad" not in ops_of(step)
    masks = [n for n in step.nodes if n.op == "inside"]
    assert [n.phase for n in masks] == [Phase.FORWARD] * 3
    for mask in masks:
        before = step.nodes[step.nodes.index(mask) - 1]
        assert before.outputs == mask.inputs, "right after the activation is made"


def test_an_activation_that_a_weight_gradient_needs_is_kept_whole():
    step = _same_training(conv_net(), "save_masks")
    assert "inside" not in ops_of(step)


def test_relu_is_kept_as_bits():
    step = _same_training(mlp(6, 8, 8, 3), "save_masks", sparse_update={"scheme": "bias_only"})
    assert ops_of(step).count("masked") == ops_of(step).count("inside") == 1


def test_a_prediction_is_there_anyway():
    b = Builder("prediction", 4, 6)
    graph = b.done(b.emit("relu", b.dense(b.x, 3)))
    graph.states[0].trainable = False
    assert "inside" not in ops_of(_same_training(graph, "save_masks"))


def test_two_gradients_share_a_mask():
    b = Builder("shared", 4, 6)
    h = b.emit("relu", b.dense(b.x, 5))
    b.graph.states[0].trainable = False
    graph = b.done(b.emit("tanh", h))
    step = apply(graph, "differentiate,dead_code")
    (node,) = [n for n in step.nodes if n.op == "relu_grad"]
    again = Emit(TOOLS.ops, step, Phase.BACKWARD, index=step.nodes.index(node))("relu_grad", *node.inputs)
    step.outputs.append(again)
    apply(step, "save_masks")
    assert ops_of(step).count("inside") == 1
    assert ops_of(step).count("masked") == 2


def test_a_part_and_a_mask_replace_the_whole():
    scheme = {"scheme": "full{ratio=0.5}"}
    graph = _same_training(conv_net(), "push_slices,save_masks", sparse_update=scheme)
    kept = [
        v
        for n in graph.nodes
        if n.phase is Phase.FORWARD
        for v in n.outputs
        if any(u.phase is Phase.BACKWARD for u in v.users)
    ]
    whole = [v for v in kept if v.type.shape[-1] == 8 and v.type.dtype.is_float]
    assert whole == [], "of the wide values only halves and masks are kept"


# ------------------------------------------------------------------ dead_code


def test_dead_nodes_and_states_go():
    graph = mlp(6, 8, 3)
    b = Builder("dead", 4, 6)
    y = b.dense(b.x, 3)
    b.emit.loc = "unused"
    b.dense(b.emit("relu", y), 4)
    assert ops_of(apply(b.done(y), "dead_code")) == ["dense", "bias_add"]
    assert [s.name for s in b.graph.states] == ["weight", "bias"]
    before = str(graph)
    assert str(apply(graph, "dead_code")) == before


def test_in_place_updates_and_outputs_stay():
    step = apply(mlp(6, 8, 3), "differentiate")
    states = [s.name for s in step.states]
    count = len(step.nodes)
    assert len(apply(step, "dead_code").nodes) == count
    assert [s.name for s in step.states] == states

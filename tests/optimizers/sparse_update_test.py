"""What learns: layers by index, pattern and position, parts of weights, files; and mistakes in all of them."""

import numpy as np
import pytest

from gradlet.backends.reference.executor import Executor
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Region, Source
from gradlet.ir.passes import Context
from gradlet.optimizers.channel_order import channels_of
from gradlet.optimizers.clone import clone
from gradlet.optimizers.layers import find_layers
from gradlet.tests.small_models import TOOLS, Builder, apply, batches, compiled, conv_net, mlp, train

ALL = ["first", "block.expand", "block.depthwise", "block.project", "fc"]


def _learning(graph: Graph) -> dict[str, str]:
    """Layer -> what of it learns: w, b, or wb; a part of the weight is W."""
    found = {}
    for state in graph.states:
        layer, _, kind = state.name.rpartition(".")
        letter = kind[0].upper() if state.region else kind[0]
        found[layer] = found.get(layer, "") + (letter if state.trainable else "")
    return {layer: letters for layer, letters in found.items() if letters}


def _scheme(tmp_path, text: str, suffix: str = ".yaml"):
    path = tmp_path / f"scheme{suffix}"
    path.write_text(text)
    return str(path)


def _applied(scheme: str, graph: Graph | None = None, notes: list[str] | None = None) -> Graph:
    context = Context(TOOLS, notes=notes if notes is not None else [])
    return apply(graph or conv_net(), f"sparse_update{{scheme={scheme}}}", context)


def _error(scheme: str, graph: Graph | None = None) -> CompileError:
    with pytest.raises(CompileError) as info:
        _applied(scheme, graph)
    return info.value


# ------------------------------------------------------------------ layers


@pytest.mark.parametrize(
    ("scheme", "learning"),
    [
        ("full", dict.fromkeys(ALL, "wb")),
        ("bias_only", {**dict.fromkeys(ALL, "b"), "fc": "wb"}),
        ("bias_only{head=false}", dict.fromkeys(ALL[:-1], "b")),
        ("head_only", {"fc": "wb"}),
        ("last_1", {"block.project": "wb", "fc": "wb"}),
        ("last_2{ratio=0.5}", {"block.depthwise": "Wb", "block.project": "Wb", "fc": "wb"}),
        ("bias_last_2", {"block.depthwise": "b", "block.project": "b", "fc": "wb"}),
        ("last_99", dict.fromkeys(ALL, "wb")),
    ],
)
def test_presets(scheme, learning):
    assert _learning(_applied(scheme)) == learning


def test_full_leaves_the_model_as_it_is():
    graph = conv_net()
    graph.states[0].trainable = False
    assert _learning(_applied("full", graph)) == {**dict.fromkeys(ALL, "wb"), "first": "b"}


def test_layers_are_found_in_order_without_the_head():
    layers, head = find_layers(conv_net(batch_norm=True))
    assert [e.name for e in layers] == ALL[:-1]
    assert head.name == "fc"
    assert [len(e.biases) for e in layers] == [2, 2, 2, 1]
    assert [len(e.scales) for e in layers] == [1, 1, 1, 0]


def test_beta_is_a_bias_and_gamma_a_weight():
    graph = _applied("bias_last_4", conv_net(batch_norm=True))
    learning = {s.name for s in graph.states if s.trainable}
    assert "first.beta" in learning
    assert "first.gamma" not in learning
    assert "first.gamma" in {s.name for s in _applied("last_4", conv_net(batch_norm=True)).states if s.trainable}


YAML = """
head: false
criterion: magnitude-
updates:
  - {bias: true}
  - {layers: [0, -1], weight: 1.0, bias: true}
  - {pattern: "block.exp*", weight: 0.5}
"""
TEXTPROTO = """
head: false
criterion: "magnitude-"
updates { bias: true }
updates { layers: 0 weight: 1.0 bias: true }
updates { pattern: "block.project.weight" weight: 1.0 bias: true }
updates { pattern: "block.exp*" weight: 0.5 }
"""


@pytest.mark.parametrize(("text", "suffix"), [(YAML, ".yaml"), (TEXTPROTO, ".textproto")])
def test_files(tmp_path, text, suffix):
    learning = _learning(_applied(_scheme(tmp_path, text, suffix)))
    assert learning == {"first": "wb", "block.expand": "W", "block.depthwise": "b", "block.project": "wb"}


def test_the_last_update_of_a_layer_counts(tmp_path):
    text = "updates: [{layers: [1], weight: 1.0}, {layers: [1], bias: true}]"
    assert _learning(_applied(_scheme(tmp_path, text))) == {"block.expand": "b", "fc": "wb"}


# ------------------------------------------------------------------ parts of weights


@pytest.mark.parametrize(("criterion", "sign"), [("magnitude+", 1), ("magnitude-", -1)])
def test_the_best_channels_learn(criterion, sign):
    graph = mlp(6, 16, 16, 3)
    before = graph.states[2].init.copy()
    power = sign * np.square(before).sum(axis=0)
    best = np.sort(np.argsort(-power)[:8])
    _applied(f"last_1{{ratio=0.5,criterion={criterion}}}", graph)
    assert graph.states[2].region == Region(1, 0, 8)
    assert np.array_equal(graph.states[2].init[:, :8], before[:, best])


def test_random_channels_follow_the_seed():
    first, same, other = (
        _applied(f"last_1{{ratio=0.5,criterion=random,seed={seed}}}", mlp(6, 16, 16, 3)).states[2].init
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("build", [lambda bn: mlp(6, 16, 16, 3), lambda bn: conv_net(batch_norm=bn)])
def test_permuting_changes_no_output(build, batch_norm):
    plain, sparse = build(batch_norm), build(batch_norm)
    _applied("full{ratio=0.5,criterion=random}", sparse)
    assert any(not np.array_equal(a.init, b.init) for a, b in zip(plain.states, sparse.states, strict=True))
    batch = next(batches(plain))
    outputs = [next(iter(Executor(g, TOOLS.ops).run(batch).values())) for g in (plain, sparse)]
    np.testing.assert_allclose(*outputs, rtol=2e-5, atol=1e-6)


def test_training_the_chosen_channels_is_training_them_where_they_were():
    """Permuted, sliced and updated in part; against a plain step after which the other columns are put back."""
    graph = mlp(6, 16, 16, 3)
    before = graph.states[2].init
    best = np.argsort(-np.square(before).sum(axis=0))[:8]
    wanted = compiled(graph, "train_plain", sparse_update={"scheme": "last_1"})
    _, states = train(wanted, steps=1)
    expected = before.copy()
    expected[:, best] = states["layers.1.weight"][:, best]
    sparse = compiled(graph, "train", sparse_update={"scheme": "last_1{ratio=0.5}"})
    _, states = train(sparse, steps=1)
    order = [*np.sort(best), *np.setdiff1d(np.arange(16), best)]
    np.testing.assert_allclose(states["layers.1.weight"], expected[:, order], rtol=1e-5, atol=1e-7)


def test_frozen_columns_do_not_move():
    program = compiled(mlp(6, 16, 16, 3), "train", sparse_update={"scheme": "last_1{ratio=0.25}"})
    before = next(s for s in program.graph.states if s.name == "layers.1.weight").init.copy()
    _, states = train(program)
    after = states["layers.1.weight"]
    assert np.array_equal(after[:, 4:], before[:, 4:])
    assert (after[:, :4] != before[:, :4]).any()


def test_weights_are_read_back_in_the_order_of_the_user():
    graph = mlp(6, 16, 16, 3)
    weight = graph.states[2]
    weight.source = Source("layers.1.weight", (16, 16), (16, 16), (0, 1))
    original = weight.init.copy()
    program = compiled(graph, "train", sparse_update={"scheme": "last_1{ratio=0.5}"})
    state = next(s for s in program.graph.states if s.name == "layers.1.weight")
    assert np.array_equal(state.source.to_user(state.init), original)
    assert np.array_equal(state.source.to_ir(original, (16, 16)), state.init)


def test_channels_that_cannot_move_are_a_window_with_a_note():
    notes: list[str] = []
    graph = _applied("full{ratio=0.5}", mlp(8, 16, 3), notes)
    first = graph.states[0]
    power = np.square(mlp(8, 16, 3).states[0].init).sum(axis=0)
    sums = [power[k : k + 4].sum() for k in range(5)]
    assert first.region == Region(1, int(np.argmax(sums)), int(np.argmax(sums)) + 4)
    assert len(notes) == 1
    assert notes[0].startswith("layers.0: channels ")


def test_a_ratio_below_one_channel_is_one_channel():
    graph = _applied("full{ratio=0.01}", conv_net())
    assert all(s.region.end - s.region.begin == 1 for s in graph.states[:8:2])


# ------------------------------------------------------------------ channel order


def _channels(build) -> object:
    b = Builder("channels", 2, 4, 4, 6)
    b.emit.loc = "a"
    y = b.conv(b.x, 6)
    return channels_of(build(b, y), y)


def test_what_shares_channels_is_found_through_the_graph():
    graph = conv_net(batch_norm=True)
    first = graph.nodes[2].outputs[0]
    found = channels_of(graph, first)
    names = {(s.name, axis) for s, axis in found.parameters}
    assert ("first.weight", 0) in names
    assert ("block.expand.weight", 3) in names
    assert ("block.project.weight", 0) in names, "the sum ties both branches"
    assert ("fc.weight", 1) in names
    assert ("first.gamma", 0) in names


def test_reordered_channels_leave_the_graph_as_it_was():
    graph = conv_net(batch_norm=True)
    batch = next(batches(graph))
    before = Executor(clone(graph), TOOLS.ops).run(batch)
    for index in (2, 6):
        value = graph.nodes[index].outputs[0]
        size = value.type.shape[-1]
        channels_of(graph, value).reorder(np.random.default_rng(0).permutation(size))
    after = Executor(graph, TOOLS.ops).run(batch)
    for name, array in before.items():
        np.testing.assert_allclose(after[name], array, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "last",
    [
        lambda b, y: b.done(y),
        lambda b, y: b.done(b.conv(b.emit("softmax", y, axis=-1), 3)),
        lambda b, y: b.done(b.conv(b.emit("reshape", y, shape=(2, 4, 2, 12)), 3)),
        lambda b, y: b.done(b.conv(b.emit("concat", y, y, axis=3), 3)),
        lambda b, y: b.done(b.conv(b.emit("mean", y, axis=(3,), keepdims=True), 3)),
        lambda b, y: b.done(b.conv(b.emit("add", y, b.x), 3)),
        lambda b, y: b.done(b.emit("conv2d", y, b.weight(6, 1, 1, 3), strides=(1, 1), padding=(0,) * 4, groups=2)),
        lambda b, y: b.done(b.emit("depthwise_conv2d", y, b.weight(1, 1, 12), strides=(1, 1), padding=(0,) * 4)),
        lambda b, y: b.done(b.conv(b.emit("transpose", y, axes=(0, 1, 3, 2)), 3)),
        lambda b, y: b.done(b.conv(b.emit("pad", y, before=(0, 0, 0, 1), after=(0, 0, 0, 0), value=0.0), 3)),
    ],
)
def test_channels_whose_order_shows_are_not_free(last):
    assert _channels(last) is None


@pytest.mark.parametrize(
    "last",
    [
        lambda b, y: b.done(b.conv(b.emit("relu", y), 3)),
        lambda b, y: b.done(b.conv(b.emit("max_pool2d", y, kernel=(2, 2), strides=(2, 2), padding=(0,) * 4), 3)),
        lambda b, y: b.done(b.conv(b.emit("transpose", y, axes=(0, 2, 1, 3)), 3)),
        lambda b, y: b.done(b.conv(b.emit("mul", y, b.emit("mean", y, axis=(1, 2), keepdims=True)), 3)),
        lambda b, y: b.done(b.dense(b.emit("reshape", y, shape=(32, 6)), 3)),
        lambda b, y: b.done(b.conv(b.depthwise(y), 3)),
    ],
)
def test_channels_whose_order_does_not_show_are_free(last):
    assert _channels(last) is not None


# ------------------------------------------------------------------ mistakes


def test_unknown_names():
    error = _error("lats_2")
    assert error.code == "GL220"
    assert "bias_only" in error.hint


@pytest.mark.parametrize("suffix", [".yaml", ".textproto"])
def test_files_that_cannot_be_read(tmp_path, suffix):
    assert _error(str(tmp_path / f"missing{suffix}")).code == "GL220"
    assert _error(_scheme(tmp_path, "updates: [", suffix)).code == "GL220"


def test_a_file_without_fields(tmp_path):
    assert _error(_scheme(tmp_path, "just words")).code == "GL220"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("updates: [{weight: 1.5}]", "weight is 1.5"),
        ("updates: [{wieght: 1.0}]", "did you mean weight"),
        ("updates: [{weight: much}]", "'much' is no float"),
        ("updates: [{layers: [a]}]", "are no indices"),
        ("updates: [{layers: [1], last: 2}]", "more than one way"),
        ("updates: [3]", "are no fields"),
        ("criterion: size", "known: magnitude+, magnitude-, random"),
        ("updates: [{criterion: size, weight: 1.0}]", "known: magnitude+"),
    ],
)
def test_wrong_fields(tmp_path, text, message):
    error = _error(_scheme(tmp_path, text))
    assert error.code == "GL221"
    assert message in str(error)


@pytest.mark.parametrize("scheme", ["full{ratio=0}", "full{ratio=1.01}", "full{criterion=size}"])
def test_wrong_options(scheme):
    assert _error(scheme).code == "GL221"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("updates: [{layers: [4], bias: true}]", "there is no layer 4: the model has 4 before its head"),
        ('updates: [{pattern: "block.depthwsie", bias: true}]', "block.depthwise"),
        ('updates: [{pattern: "zzz*", bias: true}]', "layers are called first, block.expand"),
    ],
)
def test_layers_that_do_not_exist(tmp_path, text, message):
    error = _error(_scheme(tmp_path, text))
    assert error.code == "GL222"
    assert message in str(error)


def test_a_scheme_that_lets_nothing_learn():
    assert _error("head_only{head=false}").code == "GL202"


def test_sparse_update_comes_before_differentiate():
    with pytest.raises(CompileError) as info:
        apply(conv_net(), "differentiate,sparse_update{scheme=bias_only}")
    assert info.value.code == "GL214"

"""The published schemes: their names, what learns of the published networks, and the memory that the paper counts."""

import os
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from gradlet.backends.reference.executor import Executor
from gradlet.frontends.mcunet import FRONTEND
from gradlet.ir.errors import CompileError
from gradlet.ir.frontend import ImportRequest
from gradlet.ir.graph import Graph, State
from gradlet.ir.options import Call
from gradlet.ir.passes import Context
from gradlet.ir.user_states import to_user
from gradlet.optimizers.analytic_memory import AnalyticMemory, analytic_memory
from gradlet.optimizers.clone import clone
from gradlet.optimizers.layers import find_layers
from gradlet.optimizers.published_schemes import PUBLISHED
from gradlet.optimizers.schemes import find_scheme
from gradlet.tests.int8_models import Int8Builder
from gradlet.tests.small_models import TOOLS, apply, conv_net

DATA = Path(os.environ.get("GRADLET_DATA", "../shared/data"))
NAMED = [(model, name) for model, schemes in PUBLISHED.items() for name in schemes]
# What the paper prints, in KB.
COUNTED = {
    "mcunet-5fps": {"49kb": 49.8, "74kb": 74.8, "99kb": 99.8, "124kb": 125.0, "148kb": 148.4},
    "mbv2-w0.35": {"49kb": 49.8, "99kb": 99.4, "138kb": 138.2},
    "proxyless-w0.3": {"49kb": 49.7, "98kb": 98.5, "148kb": 148.2},
}
LAYERS = {"mcunet-5fps": 42, "mbv2-w0.35": 51, "proxyless-w0.3": 60}


@cache
def _imported(model: str, **options: str) -> Graph:
    path = DATA / "models" / f"{model}.pkl"
    if not path.exists():
        pytest.skip(f"{path} is missing: set GRADLET_DATA")
    return FRONTEND.load(ImportRequest(str(path), None, options), TOOLS).graph


def _network(model: str, scheme: str, then: str = "", **options: str) -> tuple[Graph, list[str]]:
    """The network with a scheme, by its short name, and the notes of the passes."""
    graph, notes = clone(_imported(model, **options)), list[str]()
    return apply(graph, f"sparse_update{{scheme={scheme}}}{then}", Context(TOOLS, notes=notes)), notes


# ------------------------------------------------------------------ names


def test_there_are_fifteen():
    assert len(NAMED) == 15
    for model, name in NAMED:
        found = PUBLISHED[model][name]
        assert LAYERS[model] - found.biases <= min(found.weights), "layers whose weights learn are among the last"
        assert max(found.weights) < LAYERS[model]


@pytest.mark.parametrize(("model", "name"), NAMED)
def test_a_short_name_is_that_of_the_model_of_the_program(model, name):
    full = find_scheme(Call(f"{model}/{name}"))
    assert full
    for program in (model, re.sub(r"\W", "_", model), f"{model}_128".upper()):
        assert find_scheme(Call(name), program) == full


def test_models_have_schemes_of_one_name_that_differ():
    assert find_scheme(Call("49kb"), "mcunet_5fps") != find_scheme(Call("49kb"), "mbv2_w0_35")


@pytest.mark.parametrize("program", ["", "net", "mcunet", "mcunet_5fpsx", "mbv2_w0_5"])
def test_a_short_name_means_nothing_for_other_programs(program):
    with pytest.raises(CompileError, match="no scheme is called '49kb'") as info:
        find_scheme(Call("49kb"), program)
    assert info.value.code == "GL220"
    assert "mcunet-5fps/49kb" in info.value.hint


def test_an_unknown_name_lists_those_of_the_model():
    with pytest.raises(CompileError) as info:
        find_scheme(Call("50kb"), "mcunet_5fps")
    assert "49kb, 74kb, 99kb, 124kb, 148kb" in info.value.hint


def test_a_network_with_other_layers_is_refused():
    with pytest.raises(CompileError, match="there is no layer 23") as info:
        apply(conv_net(), "sparse_update{scheme=mcunet-5fps/49kb}")
    assert info.value.code == "GL222"


def test_options_hold_for_them_too():
    scheme = find_scheme(Call("mcunet-5fps/99kb", (("ratio", "0.5"), ("head", "false"))))
    assert scheme and not scheme.head
    assert [u.weight for u in scheme.updates] == [0, 0.5, 0.5, 0.5, 0.5, 0.0625, 0.125]


# ------------------------------------------------------------------ what learns of the published networks


def _marks(state: State) -> np.ndarray:
    marks = np.zeros_like(state.init)
    marks[state.region.index(marks.ndim) if state.region else ...] = state.trainable
    return marks


@pytest.mark.parametrize(("model", "name"), NAMED)
def test_the_largest_channels_of_the_right_layers_learn(model, name):
    """Defect 5 of the published compiler: it trains the first channels, whichever were chosen."""
    original, scheme = _imported(model, classes="10"), PUBLISHED[model][name]
    layers, head = find_layers(original)
    assert len(layers) == LAYERS[model]
    graph, notes = _network(model, name, ",split_weights", classes="10")
    assert not notes
    found = to_user(graph, {s.name: _marks(s) for s in graph.states})
    assert head and all(found[s.name].all() for s in (*head.parts, *head.biases))
    for index, layer in enumerate(layers):
        assert found[layer.biases[0].name].all() == found[layer.biases[0].name].any()
        assert found[layer.biases[0].name].all() == (index >= len(layers) - scheme.biases)
        _check_channels(layer.weight, found[layer.weight.name], scheme.weights.get(index, 0.0))


def _check_channels(weight: State, learns: np.ndarray, ratio: float) -> None:
    """int(channels * ratio) whole channels learn, and none that is left is larger."""
    assert weight.source
    user = weight.source.to_user(weight.init).astype(np.float64)  # OIHW; of a depthwise convolution C1HW
    axis = 0 if user.shape[1] == 1 else 1
    others = tuple(a for a in range(4) if a != axis)
    chosen, norms = learns.any(axis=others), np.square(user).sum(axis=others)
    assert chosen.sum() == int(len(norms) * ratio)
    assert np.array_equal(chosen, learns.all(axis=others))
    if chosen.any() and not chosen.all():
        assert norms[chosen].min() >= norms[~chosen].max()


@pytest.mark.parametrize(("model", "name"), NAMED)
def test_what_learns_can_be_all_that_lies_in_ram(model, name):
    graph, _ = _network(model, name, ",split_weights{max_parts=4}", classes="10")
    assert not [s.name for s in graph.states if s.region]
    assert max(n.attrs.get("parts", 1) for n in graph.nodes) <= 4


@pytest.mark.parametrize("model", list(PUBLISHED))
def test_no_bit_of_the_outputs_changes(model):
    """With the int8 classifier of 1000 classes."""
    image = np.random.default_rng(0).integers(-128, 128, (1, 64, 64, 3)).astype(np.int8)
    graph = _imported(model, resolution="64")
    plain = Executor(graph, TOOLS.ops).run({"image": image})["logits"]
    for name in list(PUBLISHED[model])[:2]:
        sparse, _ = _network(model, name, ",split_weights{max_parts=4}", resolution="64")
        assert np.array_equal(Executor(sparse, TOOLS.ops).run({"image": image})["logits"], plain)


# ------------------------------------------------------------------ the memory that the paper counts


@pytest.mark.parametrize(("model", "name"), [(m, n) for m, counted in COUNTED.items() for n in counted])
def test_the_published_figures(model, name):
    for then in ("", ",split_weights"):
        graph, _ = _network(model, name, then, classes="10")
        assert round(analytic_memory(graph).total / 8 / 1024, 1) == COUNTED[model][name]


def test_what_is_counted():
    """By hand: half of the 8 inputs of the pointwise convolution, both biases behind the first, and the head."""
    b = Int8Builder("net", 2, 6, 6, 3)
    b.emit.loc = "first"
    x = b.conv(b.x, 8, 3)
    b.emit.loc = "depthwise"
    x = b.depthwise(x, stride=2)
    b.emit.loc = "pointwise"
    x = b.conv(x, 10)
    b.emit.loc = "head"
    graph = apply(b.done(b.head(b.pool(x), 4)), "sparse_update{scheme=last_1{ratio=0.5}}")
    assert analytic_memory(graph) == AnalyticMemory(
        weights=10 * 4 * 8, biases=10 * 32, inputs=(3 * 3 * 4 + 10) * 8, masks=3 * 3 * 10
    )
    graph = apply(graph, "sparse_update{scheme=bias_last_2{head=false}}")
    assert analytic_memory(graph) == AnalyticMemory(0, (8 + 10) * 32, 0, 3 * 3 * (8 + 10))
    graph = apply(graph, "sparse_update{scheme=last_2},split_weights,differentiate")
    counted = analytic_memory(graph)
    assert counted.weights == (3 * 3 * 8 + 10 * 8) * 8
    assert counted.inputs == (6 * 6 * 8 + 3 * 3 * 8 + 10) * 8
    assert counted.bytes()["total"] == -(-counted.total // 8)


def test_a_float_network_has_larger_numbers():
    counted = analytic_memory(apply(conv_net(), "sparse_update{scheme=last_1}"))
    assert counted == AnalyticMemory(4 * 8 * 32, 4 * 32, (6 * 6 * 8 + 4) * 32, 6 * 6 * 4)

"""Gradients of the pretrained int8 networks, as a whole and under every published scheme, are PyTorch's."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from gradlet.autodiff.reverse import differentiate
from gradlet.backends.reference.executor import Executor
from gradlet.ir.frontend import ImportRequest
from gradlet.ir.graph import Graph, Node, Phase, State, Value
from gradlet.ir.op_def import Emit
from gradlet.ir.passes import Context
from gradlet.ir.plugin import load
from gradlet.ir.tensor_type import TensorType
from gradlet.ir.user_states import to_user
from gradlet.ir.verifier import verify
from gradlet.optimizers.clone import clone
from gradlet.optimizers.pass_manager import PassManager
from gradlet.optimizers.pipelines import make_passes, parse_pipeline
from gradlet.tests import int8_witness

TOOLS = load(installed=False)
DATA = Path(os.environ.get("GRADLET_DATA", "../shared/data"))
CLASSES, RESOLUTION, LABEL, TOLERANCE = 10, 128, 3, 1e-6
# How far finite differences change the loss, and the size of the images for them.
DIFFERENCE, SMALL = 1e-5, 32
# Published: model -> scheme -> how many last biases learn, convolutions, the part of their input channels that does.
SCHEMES = {
    "mcunet-5fps": {
        "49kb": (20, (23, 24, 27, 30, 33, 39), (0, 0.25, 0.5, 0.5, 0, 0)),
        "74kb": (21, (21, 23, 24, 26, 27, 30), (1, 0, 1, 0, 0.5, 1)),
        "99kb": (22, (21, 24, 27, 30, 36, 39), (1, 1, 1, 1, 0.125, 0.25)),
        "124kb": (24, (21, 24, 27, 30, 33, 39), (0.25, 1, 1, 1, 0.5, 0.5)),
        "148kb": (23, (21, 24, 27, 30, 36, 39), (1, 1, 1, 1, 1, 0.5)),
    },
    "mbv2-w0.35": {
        "49kb": (16, (36, 39, 40, 41, 42, 45, 48, 49), (1, 1, 0, 0.25, 0.125, 0.125, 0.125, 0.125)),
        "73kb": (20, (32, 33, 36, 39, 41, 42, 45, 48), (0.125, 0.5, 0.5, 1, 0.25, 0.125, 0.125, 1)),
        "99kb": (25, (27, 30, 33, 36, 39, 42, 45, 48), (1, 1, 1, 1, 1, 0.125, 0.5, 1)),
        "123kb": (31, (27, 30, 33, 36, 39, 42, 45, 48), (1, 1, 1, 1, 1, 0.5, 1, 1)),
        "138kb": (34, (27, 30, 33, 36, 39, 42, 45, 48), (1, 1, 1, 1, 1, 1, 1, 1)),
    },
    "proxyless-w0.3": {
        "49kb": (21, (39, 42, 44, 45, 50, 51, 54, 57), (0.25, 1, 0, 1, 0, 0.125, 0.25, 0.25)),
        "74kb": (28, (33, 36, 39, 42, 45, 51, 54, 57), (0.5, 0.25, 1, 1, 1, 0.5, 0.25, 0.5)),
        "98kb": (25, (36, 39, 42, 45, 48, 51, 54, 57), (1, 0.5, 1, 1, 0.25, 0.5, 1, 1)),
        "120kb": (32, (36, 39, 42, 45, 48, 51, 54, 57), (1, 1, 1, 1, 0.5, 1, 1, 1)),
        "148kb": (45, (36, 39, 42, 45, 48, 51, 54, 57), (1, 1, 1, 1, 1, 1, 1, 1)),
    },
}
Tensors = dict[str, np.ndarray]
NAMED = [(model, scheme) for model, schemes in SCHEMES.items() for scheme in schemes]
# As the rules of the ops write the gradients, and as the passes of the usual pipelines leave them.
PASSES = {"plain": "dead_code", "optimized": "dead_code,push_slices,save_masks,fuse,dead_code,fuse_gradients,dead_code"}


def existing(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path} is missing: set GRADLET_DATA")
    return path


@cache
def image() -> np.ndarray:
    """A photograph, every pixel four times in both directions."""
    with np.load(existing(DATA / "images" / "cifar10_5k2k.npz")) as data:
        photo = data["x_test"][7:8].astype(np.float64)
    large = photo.repeat(RESOLUTION // 32, 1).repeat(RESOLUTION // 32, 2)
    return np.clip(np.rint(large - 127.5), -128, 127).astype(np.int8)


@dataclass(frozen=True)
class Differentiated:
    """A graph whose outputs are the loss and the gradients of what learns.

    Attributes:
        gradients: Name of the output with the gradient, for each state that learns.
    """

    graph: Graph
    loss: str
    gradients: dict[str, str]

    @property
    def learning(self) -> list[State]:
        return [s for s in self.graph.states if s.trainable]


def path_of(model: str) -> Path:
    return existing(DATA / "models" / f"{model}.pkl")


def forward(model: str, resolution: int = RESOLUTION) -> Graph:
    options = {"classes": str(CLASSES), "resolution": str(resolution)}
    graph: Graph = TOOLS.get("frontends", "mcunet").load(ImportRequest(str(path_of(model)), 1, options), TOOLS).graph
    return graph


def differentiated(graph: Graph, scheme: str, passes: str) -> Differentiated:
    run(graph, f"sparse_update{{scheme={scheme}}}")
    loss = TOOLS.get("losses", "softmax_cross_entropy")(Emit(TOOLS.ops, graph), graph.outputs[0])
    emit = Emit(TOOLS.ops, graph, Phase.BACKWARD)
    learning = [s for s in graph.states if s.trainable]
    whole = differentiate(graph, TOOLS.ops, loss, emit("full", shape=(), value=1.0), [s.value for s in learning])
    assert set(whole) == {s.value for s in learning}
    parts: dict[str, Value] = {}
    for state in learning:
        gradient = whole[state.value]
        parts[state.name] = emit("slice", gradient, **state.region.attrs) if state.region else gradient
    graph.outputs = [loss, *parts.values()]
    graph.renumber()
    run(graph, passes)
    verify(graph, TOOLS.ops)
    names = dict(zip(parts, (v.name for v in graph.outputs[1:]), strict=True))
    return Differentiated(graph, graph.outputs[0].name, names)


def run(graph: Graph, passes: str) -> None:
    PassManager(Context(TOOLS), make_passes(TOOLS, parse_pipeline(passes))).run(graph)


def feed(value: np.ndarray) -> Tensors:
    return {"image": value, "label": np.array([LABEL], np.int32)}


@cache
def expected(model: str) -> tuple[float, Tensors]:
    """Of everything, whatever learns; the head is the one drawn by the frontend."""
    head = {s.name: s.init for s in forward(model).states if s.name.startswith("classifier.")}
    return int8_witness.gradients(network(model), image(), np.array([LABEL]), head)


@cache
def network(model: str) -> int8_witness.Network:
    return int8_witness.network_of(path_of(model))


def in_user_layout(made: Differentiated, outputs: Mapping[str, np.ndarray]) -> tuple[Tensors, Tensors]:
    """(gradients, which of their elements learn) with the names of the checkpoint and the channels in its order."""
    known = [s for s in made.graph.states if s.source]
    whole = {s.name: np.zeros(s.value.type.shape) for s in known}
    masks = {s.name: np.zeros(s.value.type.shape, bool) for s in known}
    for state in made.learning:
        index = state.region.index(whole[state.name].ndim) if state.region else ...
        whole[state.name][index], masks[state.name][index] = outputs[made.gradients[state.name]], True
    masks = {name: mask for name, mask in to_user(made.graph, masks).items() if mask.any()}
    return to_user(made.graph, whole), masks


def check(model: str, made: Differentiated) -> Tensors:
    """Compares loss and gradients with the witness; returns which of each tensor learns."""
    loss, gradients = expected(model)
    outputs = Executor(made.graph, TOOLS.ops, float64=True).run(feed(image()))
    assert outputs[made.loss] == pytest.approx(loss, rel=1e-6)
    found, masks = in_user_layout(made, outputs)
    errors = {n: np.abs(found[n] - gradients[n])[m].max() / np.abs(gradients[n][m]).max() for n, m in masks.items()}
    assert max(errors.values()) < TOLERANCE, max(errors.items(), key=lambda item: item[1])
    return masks


@pytest.mark.parametrize("passes", PASSES)
@pytest.mark.parametrize("model", SCHEMES)
def test_gradients_of_everything(model, passes):
    masks = check(model, differentiated(forward(model), "full", PASSES[passes]))
    assert all(mask.all() for mask in masks.values())
    assert set(masks) == set(expected(model)[1])


@pytest.mark.parametrize("passes", PASSES)
@pytest.mark.parametrize(("model", "scheme"), NAMED)
def test_gradients_under_a_scheme(model, scheme, passes):
    masks = check(model, differentiated(forward(model), scheme, PASSES[passes]))
    chosen = selected(model, scheme)
    assert set(masks) == set(chosen)
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask, chosen[name], name)


def selected(model: str, scheme: str) -> Tensors:
    """What the scheme lets learn, from the checkpoint: the input channels of largest norm.

    The weights of channels whose output never changes do not count: they never learn.
    """
    biases, indices, ratios = SCHEMES[model][scheme]
    convolutions = network(model).convolutions
    masks = {f"{c.name}.bias": np.ones(len(c.initial[1]), bool) for c in convolutions[-biases:]}
    for index, ratio in zip(indices, ratios, strict=True):
        name, weight = f"{convolutions[index].name}.weight", convolutions[index].initial[0].numpy()
        axis = 0 if convolutions[index].groups > 1 else 1
        live = ~convolutions[index].constant()
        norms = np.square(weight * live[:, None, None, None]).sum(axis=tuple(a for a in range(4) if a != axis))
        count = int(len(norms) * ratio)
        if count:
            masks[name] = np.zeros(weight.shape, bool)
            masks[name][(slice(None), np.argsort(-norms, kind="stable")[:count])[1 - axis :]] = True
    features = network(model).convolutions[-1].initial[0].shape[0]
    head = {"classifier.weight": (CLASSES, features), "classifier.bias": (CLASSES,)}
    return masks | {name: np.ones(shape, bool) for name, shape in head.items()}


class Smooth(Executor):
    """Integers that stand for numbers are float64, and nothing is rounded: the straight-through surrogate."""

    def _as(self, array: np.ndarray, type_: TensorType, node: Node | None = None) -> np.ndarray:
        if type_.quant is None and not type_.dtype.is_float:
            return super()._as(array, type_, node)
        assert array.shape == type_.shape
        return np.array(array, np.float64)


@pytest.mark.parametrize("model", SCHEMES)
def test_gradients_are_finite_differences(model):
    """Of the loss, along a direction of every tensor that is random in part."""
    made = differentiated(forward(model, SMALL), "full", PASSES["plain"])
    rng, given = np.random.default_rng(0), feed(image()[:, :: RESOLUTION // SMALL, :: RESOLUTION // SMALL])
    outputs = Smooth(made.graph, TOOLS.ops).run(given)
    loss = clone(made.graph)
    loss.outputs = loss.outputs[:1]
    run(loss, "dead_code")
    for state in made.learning:
        gradient = outputs[made.gradients[state.name]]
        direction = gradient + rng.normal(size=gradient.shape) * np.abs(gradient).mean()
        slope, ends = float((gradient * direction).sum()), []
        for step in (DIFFERENCE / slope, -DIFFERENCE / slope):
            moved = {state.name: state.init.astype(np.float64) + step * direction}
            ends.append(float(Smooth(loss, TOOLS.ops, moved).run(given)[made.loss]))
        assert ends[0] - ends[1] == pytest.approx(2 * DIFFERENCE, rel=1e-4), state.name

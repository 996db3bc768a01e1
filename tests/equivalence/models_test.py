"""Five models train alike on every backend, and as PyTorch trains them."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from gradlet.frontends.pytorch.importer import import_module
from gradlet.ir.backend import Session
from gradlet.ir.graph import Region, State
from gradlet.ir.program import Program
from gradlet.ir.target import Memory, Target
from gradlet.optimizers.compilation import replan
from gradlet.tests import witness
from gradlet.tests.models.zoo import MODELS
from gradlet.tools.api import Compiled, Options, compile_program, context_of, load

# A higher rate lets the deepest net diverge within five steps: rounding errors would grow with its weights.
STEPS, BATCH, LR = 5, 2, 0.004
TOLERANCE = 1e-4
SCHEMES = {"full": "full", "sparse": "last_4{ratio=0.5}"}
# Name -> backend, target, and memories large enough for every model to learn as a whole.
PLACES = {
    "reference": ("reference", "x86_64", None),
    "c_host": ("tinyengine", "x86_64", None),
    "c_cortex_m7": ("tinyengine", "stm32f746", 16 << 20),
    "tvm": ("tvm", "x86_64", None),
}
TOOLS = load(installed=False)


@dataclass(frozen=True)
class Case:
    """A model with its data, and what PyTorch makes of it."""

    compiled: Compiled
    steps: list[tuple[np.ndarray, np.ndarray]]
    expected: witness.Training

    @property
    def program(self) -> Program:
        return self.compiled.program


def target_of(place: str) -> Target:
    target = TOOLS.get("targets", PLACES[place][1])
    size = PLACES[place][2]
    if size is None:
        return target
    return replace(target, sram=Memory(target.sram.base, size), flash=Memory(target.flash.base, size))


@cache
def case(model: str, scheme: str) -> Case:
    made = MODELS[model]
    module = made.make()
    program = import_module(module, (made.sample(BATCH),), name=model, toolbox=TOOLS)
    options = Options(target="x86_64", backend="reference", scheme=SCHEMES[scheme], update="momentum{momentum=0.9}")
    compiled = compile_program(program, options, TOOLS)
    rng = np.random.default_rng(0)
    steps = [
        (made.sample(BATCH, seed).numpy(), rng.integers(0, classes(program), BATCH).astype(np.int32))
        for seed in range(STEPS)
    ]
    masks = witness.masks_of(program.graph)
    expected = witness.train(module, steps, update="momentum", lr=LR, options={"momentum": 0.9}, learn=masks)
    return Case(compiled, steps, expected)


def classes(program: Program) -> int:
    return program.infer.outputs[0].type.shape[-1]


def run(session: Session, made: Case) -> list[float]:
    """The loss of every step."""
    graph, losses = made.program.graph, []
    for x, label in made.steps:
        image = np.ascontiguousarray(np.moveaxis(x, 1, -1)) if x.ndim == 4 else x
        feed = {graph.inputs[0].name: image, "label": label, "lr": np.asarray(LR, np.float32)}
        losses.append(float(session.train_step(feed)[graph.outputs[0].name]))
    return losses


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("model", MODELS)
def test_five_steps_agree_with_pytorch(model, scheme, place):
    made = case(model, scheme)
    backend, target = TOOLS.get("backends", PLACES[place][0]), target_of(place)
    replan(made.program, context_of(TOOLS, target, backend))
    session = backend.open(made.program, target, TOOLS)
    try:
        losses, states = run(session, made), session.states()
    finally:
        session.close()
    np.testing.assert_allclose(losses, made.expected.losses, rtol=TOLERANCE)
    expected = witness.expected_states(made.program.graph, made.expected)
    assert set(expected) == {s.name for s in made.program.graph.states}
    errors = {name: relative(states[name], array) for name, array in expected.items()}
    assert max(errors.values()) <= TOLERANCE, max(errors.items(), key=lambda item: item[1])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("model", MODELS)
def test_what_learns_moves_far_more_than_the_tolerance(model, scheme):
    """Else the agreement would say nothing."""
    made = case(model, scheme)
    learning = [s for s in made.program.graph.states if s.trainable]
    assert learning
    expected = witness.expected_states(made.program.graph, made.expected)
    moved = {s.name: relative(part(s, expected[s.name]), part(s, s.init)) for s in learning}
    assert min(moved.values()) > 10 * TOLERANCE, min(moved.items(), key=lambda item: item[1])


def part(state: State, array: np.ndarray) -> np.ndarray:
    region: Region | None = state.region
    return array[region.index(array.ndim)] if region else array


@pytest.mark.parametrize("model", MODELS)
def test_a_sparse_scheme_trains_parts(model):
    graph = case(model, "sparse").program.graph
    assert any(s.region for s in graph.states)
    assert not all(s.trainable for s in graph.states)

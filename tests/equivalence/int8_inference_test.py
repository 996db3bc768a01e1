"""Every int8 activation of the pretrained networks, 1000 classes, is the same number wherever they run."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from gradlet.backends.reference.executor import Executor
from gradlet.ir.backend import Backend
from gradlet.ir.program import Program
from gradlet.ir.requantize import ROUNDINGS
from gradlet.ir.target import Memory, Target
from gradlet.optimizers.compilation import optimize
from gradlet.tests.frontends.mcunet.imported import imported
from gradlet.tests.frontends.mcunet.real import NETWORKS, path_of, photographs
from gradlet.tools.api import context_of, load

TOOLS = load(installed=False)
SIDE, CLASSES = 128, 1000
# Place -> backend, target.
PLACES = {
    "reference": ("reference", "x86_64"),
    "host": ("tinyengine", "x86_64"),
    "tvm": ("tvm", "x86_64"),
    "cortex-m7": ("tinyengine", "stm32f746"),
}
# Of the emulated device, which holds all activations of a network at once: more than the real one has.
ROOM = 4 << 20


def image() -> np.ndarray:
    return photographs(1, SIDE)


def network(name: str, rounding: str, *, everything: bool) -> Program:
    """The imported network: `logits`, or before them all results of int8 ops, which are then kept to the end."""
    program = imported(path_of(name), rounding=rounding)
    if everything:
        results = [n.outputs[0] for n in program.graph.nodes if n.op.startswith("q")]
        assert len(results) > NETWORKS[name].convolutions + 1, "convolutions, sums, pooling and classifier"
        program.graph.outputs = [*results, *program.graph.outputs]
    return program


@cache
def expected(name: str, rounding: str) -> list[np.ndarray]:
    """All results of int8 ops and the logits, as numpy computes them from the graph as it was imported."""
    graph = network(name, rounding, everything=True).graph
    return list(Executor(graph, TOOLS.ops).run({"image": image()}).values())


def target_of(place: str) -> tuple[Backend, Target]:
    backend, name = PLACES[place]
    target = TOOLS.get("targets", name)
    if target.sram and target.flash:
        target = replace(target, sram=Memory(target.sram.base, ROOM), flash=Memory(target.flash.base, ROOM))
    return TOOLS.get("backends", backend), target


def run(program: Program, place: str) -> list[np.ndarray]:
    """The outputs of the compiled program."""
    backend, target = target_of(place)
    optimize(program, context_of(TOOLS, target, backend), "inference")
    session = backend.open(program, target, TOOLS)
    try:
        return list(session.infer({"image": image()}).values())
    finally:
        session.close()


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("place", PLACES)
def test_activations_are_those_of_the_reference(place, name, rounding):
    found = run(network(name, rounding, everything=True), place)
    wanted = expected(name, rounding)
    assert sum(a.size for a in wanted) > 500_000
    assert wanted[-1].shape == (1, CLASSES)
    for k, (one, other) in enumerate(zip(found, wanted, strict=True)):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other), f"result {k}: {(one != other).sum()} of {other.size} differ"


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("place", PLACES)
def test_logits_are_the_same_where_activations_share_their_memory(place, name):
    (logits,) = run(network(name, "float", everything=False), place)
    np.testing.assert_array_equal(logits, expected(name, "float")[-1])


def test_roundings_differ():
    """Else the tests above would be one test."""
    found = [np.concatenate([a.ravel() for a in expected("mcunet-5fps", kind)]) for kind in ROUNDINGS]
    assert all((a != b).any() for a, b in pairwise(found))

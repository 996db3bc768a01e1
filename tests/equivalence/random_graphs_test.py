"""500 random models train alike on all backends, as written and optimised."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.backends.tinyengine.host.compiler import Build
from gradlet.backends.tinyengine.host.session import open_many
from gradlet.ir.backend import Session
from gradlet.ir.program import Program
from gradlet.ir.target import Target
from gradlet.optimizers.clone import clone
from gradlet.optimizers.compilation import optimize
from gradlet.tests.random_graphs import Case, draw
from gradlet.tests.small_models import TOOLS
from gradlet.tools.api import context_of

COUNT, GROUP, STEPS = 500, 20, 4
TOLERANCE = 1e-4
# Where differences of nearly equal numbers leave the float32 reference itself further than that from the truth, which
# is what float64 gives, others may miss it by a few times as much.
CANCELLED = 4
PIPELINES = ("train_plain", "train")
HOST, DEVICE = TOOLS.get("targets", "x86_64"), TOOLS.get("targets", "stm32f746")


def c_host(programs: Sequence[Program]) -> Iterator[Session]:
    """All of them in one library."""
    yield from open_many(programs, HOST, TOOLS, Build(("-O1",)))


def tvm(programs: Sequence[Program]) -> Iterator[Session]:
    for program in programs:
        yield TOOLS.get("backends", "tvm").open(program, HOST, TOOLS)


def c_device(programs: Sequence[Program]) -> Iterator[Session]:
    """Each in a firmware of its own, on a Cortex-M7."""
    for program in programs:
        yield TOOLS.get("backends", "tinyengine").open(program, DEVICE, TOOLS)


# Name -> backend, target, what opens programs on it, how many models: the device runs the C that the host runs.
OTHERS = {
    "c_host": ("tinyengine", HOST, c_host, COUNT),
    "c_device": ("tinyengine", DEVICE, c_device, GROUP),
    "tvm": ("tvm", HOST, tvm, COUNT),
}


def compiled(case: Case, pipeline: str, backend: str, target: Target) -> Program:
    context = context_of(TOOLS, target, TOOLS.get("backends", backend))
    return optimize(Program(clone(case.program.graph)), context, pipeline, options=case.options)


def numbers(case: Case, program: Program, session: Session) -> dict[str, np.ndarray]:
    """Losses and predictions of every step, what the inference predicts then, and all states."""
    found = {}
    for step, batch in enumerate(case.batches(program.graph, STEPS)):
        found |= {f"{name} of step {step}": a for name, a in session.train_step(batch).items()}
    found |= {f"{name} of the inference": a for name, a in session.infer(next(case.batches(program.infer, 1))).items()}
    return found | session.states()


@pytest.mark.parametrize(("place", "start"), [(p, s) for p in OTHERS for s in range(0, OTHERS[p][3], GROUP)])
def test_every_backend_is_the_reference(place, start):
    cases = [draw(seed, TOOLS.ops) for seed in range(start, start + GROUP)]
    backend, target, open_all, _ = OTHERS[place]
    pairs = [
        (case, compiled(case, pipeline, backend, target)) for case in cases for pipeline in ("train_plain", "train")
    ]
    for (case, program), session in zip(pairs, open_all([p for _, p in pairs]), strict=True):
        exact, rounded = (numbers(case, program, ReferenceSession(program, TOOLS, float64=f)) for f in (True, False))
        found = numbers(case, program, session)
        assert found.keys() == exact.keys()
        for name, array in exact.items():
            bound = max(TOLERANCE * np.abs(array).max(initial=1e-3), CANCELLED * np.abs(rounded[name] - array).max())
            message = f"{name}, seed {case.seed}, {program.pipeline}"
            np.testing.assert_allclose(found[name], array, rtol=0, atol=bound, err_msg=message)
        session.close()

"""500 random models train alike on all backends, as written and optimised."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.backends.tinyengine.host.compiler import Build
from gradlet.backends.tinyengine.host.session import open_many
from gradlet.ir.backend import Session
from gradlet.ir.program import Program
from gradlet.optimizers.clone import clone
from gradlet.optimizers.compilation import optimize
from gradlet.tests.random_graphs import Case, draw
from gradlet.tests.small_models import TOOLS
from gradlet.tools.api import context_of

COUNT, GROUP, STEPS = 500, 20, 4
TOLERANCE = 1e-4
HOST = TOOLS.get("targets", "x86_64")


def c_host(programs: Sequence[Program]) -> Iterator[Session]:
    """All of them in one library."""
    yield from open_many(programs, HOST, TOOLS, Build(("-O1",)))


def tvm(programs: Sequence[Program]) -> Iterator[Session]:
    for program in programs:
        yield TOOLS.get("backends", "tvm").open(program, HOST, TOOLS)


# Name -> backend, and what opens programs on it.
OTHERS = {"c_host": ("tinyengine", c_host), "tvm": ("tvm", tvm)}


def compiled(case: Case, pipeline: str, backend: str) -> Program:
    context = context_of(TOOLS, HOST, TOOLS.get("backends", backend))
    return optimize(Program(clone(case.program.graph)), context, pipeline, options=case.options)


def numbers(case: Case, program: Program, session: Session) -> dict[str, np.ndarray]:
    """Losses and predictions of every step, what the inference predicts then, and all states."""
    found = {}
    for step, batch in enumerate(case.batches(program.graph, STEPS)):
        found |= {f"{name} of step {step}": a for name, a in session.train_step(batch).items()}
    found |= {f"{name} of the inference": a for name, a in session.infer(next(case.batches(program.infer, 1))).items()}
    return found | session.states()


@pytest.mark.parametrize("start", range(0, COUNT, GROUP))
@pytest.mark.parametrize("backend", OTHERS)
def test_every_backend_is_the_reference(backend, start):
    cases = [draw(seed, TOOLS.ops) for seed in range(start, start + GROUP)]
    name, open_all = OTHERS[backend]
    pairs = [(case, compiled(case, pipeline, name)) for case in cases for pipeline in ("train_plain", "train")]
    for (case, program), session in zip(pairs, open_all([p for _, p in pairs]), strict=True):
        expected = numbers(case, program, ReferenceSession(program, TOOLS))
        found = numbers(case, program, session)
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            scale = np.abs(array).max(initial=1e-3)
            message = f"{name}, seed {case.seed}, {program.pipeline}"
            np.testing.assert_allclose(found[name], array, rtol=0, atol=TOLERANCE * scale, err_msg=message)
        session.close()

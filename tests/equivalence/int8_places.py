"""Where int8 networks run, and what their training steps have to be there: those of the reference."""

from collections.abc import Iterator, Sequence

import numpy as np

from gradlet.backends.tinyengine.host.compiler import Build
from gradlet.backends.tinyengine.host.session import open_many
from gradlet.ir.backend import Session
from gradlet.ir.graph import written_states
from gradlet.ir.program import Program
from gradlet.ir.target import Target
from gradlet.optimizers.clone import clone
from gradlet.optimizers.compilation import optimize
from gradlet.tests.random_int8 import Int8Case
from gradlet.tests.small_models import TOOLS
from gradlet.tools.api import context_of

STEPS = 4
# How far a step of float32 gradients, whose sums have no order, may differ, of the longest step of a tensor.
TOLERANCE = 1e-5
# Steps of integers that lie on the edge of rounding.
FEW = 0.02
HOST, DEVICE = TOOLS.get("targets", "x86_64"), TOOLS.get("targets", "stm32f746")


def c_host(programs: Sequence[Program]) -> Iterator[Session]:
    """All of them in one library."""
    yield from open_many(programs, HOST, TOOLS, Build(("-O1",)))


def c_device(programs: Sequence[Program]) -> Iterator[Session]:
    """Each in a firmware of its own, on a Cortex-M7."""
    for program in programs:
        yield TOOLS.get("backends", "tinyengine").open(program, DEVICE, TOOLS)


def tvm(programs: Sequence[Program]) -> Iterator[Session]:
    for program in programs:
        yield TOOLS.get("backends", "tvm").open(program, HOST, TOOLS)


# Name -> backend, target, what opens programs on it.
PLACES = {
    "c_host": ("tinyengine", HOST, c_host),
    "c_device": ("tinyengine", DEVICE, c_device),
    "tvm": ("tvm", HOST, tvm),
}


def compiled_for(case: Int8Case, backend: str, target: Target) -> Program:
    context = context_of(TOOLS, target, TOOLS.get("backends", backend))
    return optimize(Program(clone(case.program.graph)), context, options=case.options)


def check_bits(case: Int8Case, program: Program, session: Session, reference: Session) -> None:
    """Outputs, states and what is inferred then are the same."""
    for step, batch in enumerate(case.batches(program.graph, STEPS)):
        check_same(session.train_step(batch), reference.train_step(batch), f"seed {case.seed}, step {step}")
    check_same(session.states(), reference.states(), f"seed {case.seed}")
    image = next(case.batches(program.infer, 1))
    check_same(session.infer(image), reference.infer(image), f"seed {case.seed}, trained")


def check_steps(case: Int8Case, program: Program, session: Session, reference: Session) -> None:
    """From the same states, outputs are the same and steps nearly so."""
    changeable = {v.name for v in written_states(program.graph)}
    for step, batch in enumerate(case.batches(program.graph, STEPS)):
        message = f"seed {case.seed}, step {step}"
        before = reference.states()
        session.set_states({name: before[name] for name in changeable})
        check_same(session.train_step(batch), reference.train_step(batch), message)
        found, expected = session.states(), reference.states()
        for name, array in expected.items():
            check_step(found[name], array, before[name], f"{name}, {message}")


def check_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], message: str) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=f"{name}, {message}")


def check_step(found: np.ndarray, expected: np.ndarray, before: np.ndarray, message: str) -> None:
    """Floats differ by a share of the step and by the last bit of the sum; few integers do, by one."""
    is_float = expected.dtype.kind == "f"
    found, expected, before = (a.astype(np.float64) for a in (found, expected, before))
    error, share = np.abs(found - expected), TOLERANCE * np.abs(expected - before).max(initial=0)
    if is_float:
        assert error.max(initial=0) <= share + np.spacing(np.float32(np.abs(expected).max(initial=0))), message
    else:
        assert error.max(initial=0) <= share + 1, message
        assert np.count_nonzero(error) <= max(1, FEW * error.size), message

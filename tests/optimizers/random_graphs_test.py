"""Random models train the same, plain and optimised, with values apart and in the arena."""

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir.op_def import Example
from gradlet.ir.passes import Context
from gradlet.ir.program import Program
from gradlet.ir.verifier import verify
from gradlet.optimizers.clone import clone
from gradlet.optimizers.compilation import optimize
from gradlet.tests.random_graphs import Case, draw
from gradlet.tests.small_models import TOOLS

COUNT = 500
GROUP = 20


def _numbers(case: Case, program: Program, *, in_arena: bool) -> list[np.ndarray]:
    """Losses and predictions of four steps, then what the inference predicts."""
    session = ReferenceSession(program, TOOLS, in_arena=in_arena)
    steps = [array for b in case.batches(program.graph, 4) for array in session.train_step(b).values()]
    return [*steps, *session.infer(next(case.batches(program.infer, 1))).values()]


@pytest.mark.parametrize("start", range(0, COUNT, GROUP))
def test_optimised_is_plain(start):
    for seed in range(start, start + GROUP):
        case = draw(seed, TOOLS.ops)
        verify(case.program.graph, TOOLS.ops)
        numbers = []
        for pipeline in ("train_plain", "train"):
            program = Program(clone(case.program.graph))
            optimize(program, Context(TOOLS), pipeline, options=case.options)
            apart, in_arena = (_numbers(case, program, in_arena=flag) for flag in (False, True))
            np.testing.assert_equal(in_arena, apart, err_msg=f"seed {seed}, {pipeline}: the arena")
            numbers.append(apart)
        for plain, optimised in zip(*numbers, strict=True):
            assert np.isfinite(plain).all(), f"seed {seed} diverges"
            scale = np.abs(plain).max(initial=1e-3)
            np.testing.assert_allclose(optimised, plain, rtol=0, atol=1e-5 * scale, err_msg=f"seed {seed}")


def test_a_seed_is_a_model():
    assert str(draw(11, TOOLS.ops).program.graph) == str(draw(11, TOOLS.ops).program.graph)


def test_the_models_use_all_forward_ops_on_floats():
    """Every op that has a gradient rule and is no gradient itself; those on int8 are in tests/random_int8.py."""
    drawn = {node.op for seed in range(300) for node in draw(seed, TOOLS.ops).program.graph.nodes}
    forward = [op for op in TOOLS.ops if op.gradient and not op.name.endswith("_grad")]
    wanted = {op.name for op in forward if any(e.differentiable and not _reads_int8(e) for e in op.examples)}
    losses = {"softmax_cross_entropy", "mse"}
    # Passes put them in.
    made = {"fake_quantize", "masked", "ordered_dense", "ordered_softmax_cross_entropy"}
    assert wanted - drawn - losses == made


def _reads_int8(example: Example) -> bool:
    return any(type_.quant for type_ in example.types)

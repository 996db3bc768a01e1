"""Weights in as many parts as their kernels take: every backend takes the steps of the reference, bit by bit."""

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir.passes import Context
from gradlet.ir.program import Program
from gradlet.optimizers.compilation import optimize, replan
from gradlet.tests.int8_models import int8_batches, residual_stage
from gradlet.tests.small_models import TOOLS
from gradlet.tools.api import context_of

# Three layers that share channels choose different ones.
SCHEMES = ["full{ratio=0.4,criterion=random,seed=2}", "full{ratio=0.3,criterion=random,seed=0}"]


def _program(scheme: str, rounding: str) -> Program:
    options = {"sparse_update": {"scheme": scheme}, "quantize_gradients": {"dtype": "int8"}}
    return optimize(Program(residual_stage(rounding=rounding)), Context(TOOLS), options=options)


@pytest.mark.parametrize("backend", ["tinyengine", "tvm"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("rounding", ["float", "double_rounding"])
def test_steps_are_those_of_the_reference(backend, scheme, rounding):
    program = _program(scheme, rounding)
    counts = {n.attrs.get("parts", 1) for n in program.graph.nodes if n.op == "qconv2d_input_grad"}
    assert max(counts) == 4
    target, chosen = TOOLS.get("targets", "x86_64"), TOOLS.get("backends", backend)
    replan(program, context_of(TOOLS, target, chosen))
    reference, other = ReferenceSession(program, TOOLS), chosen.open(program, target, TOOLS)
    batches = list(int8_batches(program.graph, 4, lr=0.02))
    try:
        for batch in batches:
            expected, found = reference.train_step(batch), other.train_step(batch)
            assert all(np.array_equal(found[name], array) for name, array in expected.items())
        for name, array in other.states().items():
            np.testing.assert_array_equal(array, reference.states()[name], err_msg=name)
        image = {"x": batches[0]["x"]}
        assert np.array_equal(*(next(iter(s.infer(image).values())) for s in (reference, other)))
    finally:
        other.close()

"""Gradients of averages over windows are the same on every backend, bit by bit: int8 networks have them in floats."""

import numpy as np
import pytest

from gradlet.backends.reference.executor import Executor
from gradlet.ir.graph import Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import f32
from gradlet.optimizers.compilation import optimize
from gradlet.tests.small_models import TOOLS
from gradlet.tools.api import context_of

# Windows that overlap: the order of the sums shows.
OVERLAPPING = {"kernel": (3, 3), "strides": (1, 1), "padding": (0, 0, 0, 0)}
CASES = {
    "whole": OVERLAPPING,
    "padded": OVERLAPPING | {"padding": (1, 2, 2, 0), "count_include_pad": False},
    "strided": OVERLAPPING | {"strides": (2, 1), "padding": (1, 1, 1, 1)},
}


@pytest.mark.parametrize(
    ("backend", "target"), [("tinyengine", "x86_64"), ("tinyengine", "stm32f746"), ("tvm", "x86_64")]
)
@pytest.mark.parametrize("case", CASES)
def test_gradients_of_windows_have_the_same_bits(case, backend, target):
    shape, graph = (2, 6, 7, 5), Graph("pooled")
    emit = Emit(TOOLS.ops, graph)
    size = TOOLS.ops["avg_pool2d"].infer([f32(*shape)], CASES[case])[0].shape
    graph.outputs = [emit("avg_pool2d_grad", graph.add_input("g", f32(*size)), input_shape=shape, **CASES[case])]
    place, chosen = TOOLS.get("targets", target), TOOLS.get("backends", backend)
    program = optimize(Program(graph), context_of(TOOLS, place, chosen), "inference")
    g = {"g": np.random.default_rng(0).normal(size=size).astype(np.float32)}
    session = chosen.open(program, place, TOOLS)
    try:
        (found,) = session.infer(g).values()
    finally:
        session.close()
    np.testing.assert_array_equal(found, *Executor(program.graph, TOOLS.ops).run(g).values())

"""Gradients of int8 operands that were repeated: fused the same, in integers nearly so, and in no floats at all."""

import numpy as np
import pytest

from gradlet.backends.reference.executor import Executor
from gradlet.backends.reference.session import ReferenceSession
from gradlet.backends.tinyengine.host.compiler import Build
from gradlet.backends.tinyengine.host.session import open_many
from gradlet.ir.graph import Graph, Phase, Role
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType
from gradlet.optimizers.compilation import optimize
from gradlet.tests.int8_models import excited, int8_batches
from gradlet.tests.small_models import TOOLS, apply
from gradlet.tools.api import context_of

HOST = TOOLS.get("targets", "x86_64")
PAIRS = {"qadd_input_grad", "qmul_input_grad"}
GRADIENTS = {op.name for op in TOOLS.ops if op.epilogue}
STEP = "sparse_update{scheme=full},differentiate{update=sgd{weights=float}},dead_code"


def stepped(graph: Graph, *, float64: bool) -> dict[str, np.ndarray]:
    """How far one step moves every float state."""
    executor = Executor(graph, TOOLS.ops, float64=float64)
    before = dict(executor.states)
    executor.run(next(int8_batches(graph, 1, 10.0)))
    moving = [s.name for s in graph.states if s.role in (Role.PARAMETER, Role.MOMENT)]
    return {name: executor.states[name] - before[name] for name in moving}


def program(dtype: str, rounding: str = "float") -> Program:
    """For C on this machine."""
    update = "sgd" if dtype == "int8" else "sgd{weights=float}"
    options = {"differentiate": {"update": update}, "quantize_gradients": {"dtype": dtype}}
    context = context_of(TOOLS, HOST, TOOLS.get("backends", "tinyengine"))
    return optimize(Program(excited(rounding=rounding)), context, options=options)


def test_fused_gradients_are_the_same():
    plain, fused = (apply(excited(), STEP + rest) for rest in ("", ",fuse_gradients"))
    assert len(fused.nodes) < len(plain.nodes)
    assert not {"add", "scale"} & {n.op for n in fused.nodes if n.phase is Phase.BACKWARD}
    expected, found = stepped(plain, float64=True), stepped(fused, float64=True)
    assert expected.keys() == found.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-9 * np.abs(array).max(), err_msg=name)


@pytest.mark.parametrize(("dtype", "lowest", "mean"), [("int8", 0.9, 0.98), ("int16", 0.9999, 0.9999)])
def test_integer_gradients_are_nearly_the_real_ones(dtype, lowest, mean):
    step = STEP + ",fuse_gradients,fuse,quantize_gradients{dtype=%s}"
    real, found = (stepped(apply(excited(), step % d), float64=False) for d in ("float32", dtype))
    cosines = {}
    for name in (n for n in real if n.endswith(".master")):
        a, b = real[name].ravel().astype(float), found[name].ravel().astype(float)
        cosines[name] = a @ b / np.sqrt((a @ a) * (b @ b))
    assert len(cosines) > 10
    assert min(cosines.values()) > lowest, cosines
    assert np.mean(list(cosines.values())) > mean, cosines


def test_no_gradient_is_held_in_floats():
    graph = program("int8").graph
    gradients = [n for n in graph.nodes if n.op in GRADIENTS]
    assert {n.op for n in gradients} >= PAIRS
    assert all(n.outputs[0].type.dtype is DType.I8 for n in gradients)
    assert {n.outputs[0].type.dtype for n in graph.nodes if n.op == "broadcast_to"} == {DType.I8}


@pytest.mark.parametrize("rounding", ["float", "double_rounding"])
@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_c_takes_the_same_steps(dtype, rounding):
    made = program(dtype, rounding)
    (session,) = open_many([made], HOST, TOOLS, Build(("-O1",)))
    reference = ReferenceSession(made, TOOLS)
    for batch in int8_batches(made.graph, 5, 0.5):
        np.testing.assert_equal(session.train_step(batch), reference.train_step(batch))
    np.testing.assert_equal(session.states(), reference.states())
    session.close()

"""Sessions of the TVM backend: training, states, and what they may touch of the memory."""

import numpy as np
import pytest

from gradlet.backends.reference.session import ReferenceSession
from gradlet.backends.tvm.layout import plan_of
from gradlet.backends.tvm.session import TvmSession
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph
from gradlet.ir.memory_plan import MemoryPlan, Slot, check
from gradlet.ir.op_def import Emit
from gradlet.ir.plugin import Plugin, Toolbox, builtin
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType, b1, f32
from gradlet.ir.verifier import verify
from gradlet.tests.backends.tvm.steps import BATCH, CLASSES, TOOLBOX, batch, mlp, planned_mlp

_HOLE = 20


@pytest.fixture(scope="module")
def program() -> Program:
    made = mlp()
    for graph in made.graphs:
        verify(graph, TOOLBOX.ops)
    return made


@pytest.fixture
def session(program) -> TvmSession:
    return TvmSession(program, TOOLBOX)


def test_training_follows_the_reference(program, session):
    reference = ReferenceSession(program, TOOLBOX)
    losses = []
    for step in range(20):
        found, expected = session.train_step(batch(step % 2)), reference.train_step(batch(step % 2))
        for name, array in expected.items():
            np.testing.assert_allclose(found[name], array, rtol=1e-4, atol=1e-5)
        losses.append(float(found["loss"]))
    after = reference.states()
    for name, array in session.states().items():
        assert array.dtype == after[name].dtype
        np.testing.assert_allclose(array, after[name], rtol=1e-4, atol=1e-5, err_msg=name)
    assert losses[-1] < losses[0] / 2


def test_only_the_region_learns(program, session):
    before = session.states()["body"]
    session.train_step(batch())
    changed = (session.states()["body"] != before).any(axis=0)
    assert changed.tolist() == [3 <= column < 9 for column in range(12)]


def test_inference_uses_the_trained_states(session):
    before = session.infer({"x": batch()["x"]})["logits"]
    trained = session.train_step(batch())["logits"]
    np.testing.assert_array_equal(before, trained)
    assert not np.array_equal(session.infer({"x": batch()["x"]})["logits"], before)


def test_states_are_copies_and_can_be_set(session):
    before = session.states()
    session.train_step(batch())
    after = session.states()
    session.set_states({name: before[name] for name in ("body", "velocity", "head", "first", "second", "step")})
    for name, array in session.states().items():
        np.testing.assert_array_equal(array, before[name])
    assert not np.array_equal(after["head"], before["head"])


def test_training_twice_is_bit_identical(program):
    def trained() -> dict[str, np.ndarray]:
        session = TvmSession(program, TOOLBOX)
        for step in range(5):
            session.train_step(batch(step))
        return session.states()

    first, second = trained(), trained()
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_frozen_states_are_not_copied_and_may_be_read_only(program):
    bias = next(s for s in program.graph.states if s.name == "body_bias")
    init = bias.init
    kept = init.copy()
    kept.flags.writeable = False
    bias.init = kept
    try:
        session = TvmSession(program, TOOLBOX)
        assert np.shares_memory(session._states["body_bias"], kept)
        assert np.isfinite(session.train_step(batch())["loss"])
    finally:
        bias.init = init


def test_nothing_is_written_outside_of_the_plan(program):
    """Leaves a hole after every slot, and finds it as it was."""
    holes = []
    for graph in program.graphs:
        offset, slots = _HOLE, []
        for value in graph.values():
            if value not in {s.value for s in graph.states} and value.overwrites is None:
                slots.append(Slot((value,), -1, len(graph.nodes), value.type.bytes, offset))
                end = offset + value.type.bytes
                offset = -(-end // 4) * 4 + _HOLE
                holes.append((end, offset))
        graph.plan = MemoryPlan(tuple(slots), offset, offset)
        check(graph, TOOLBOX.ops, graph.plan)
        try:
            session = TvmSession(Program(graph), TOOLBOX)
        finally:
            graph.plan = None
        before = session.arena.bytes.copy()
        session.train_step({v.name: batch()[v.name] for v in graph.inputs})
        untouched = np.ones(offset, bool)
        for slot in slots:
            untouched[slot.offset : slot.end] = False
        np.testing.assert_array_equal(session.arena.bytes[untouched], before[untouched])
        assert (session.arena.bytes[~untouched] != before[~untouched]).any()
        assert session.arena.intact


def test_working_memory_of_kernels_lies_in_the_arena(program):
    """Planned for this backend, the step needs no memory but its arena: a spare is not used."""
    planned = planned_mlp()
    for with_scratch, without in zip(planned.graphs, program.graphs, strict=True):
        assert with_scratch.plan.arena_bytes > plan_of(without, TOOLBOX.ops).arena_bytes
    session, reference = TvmSession(planned, TOOLBOX), ReferenceSession(program, TOOLBOX)
    assert all(not len(runner._memory._spare) for runner in session._graphs)
    assert any(len(runner._memory._spare) for runner in TvmSession(program, TOOLBOX)._graphs)
    np.testing.assert_allclose(session.train_step(batch())["loss"], reference.train_step(batch())["loss"], rtol=1e-5)
    assert session.arena.intact


def test_guards_tell_when_they_were_written(session):
    session.arena._whole[-1] = 0
    assert not session.arena.intact


def test_masks_go_in_and_out():
    graph = Graph("masks")
    emit = Emit(TOOLBOX.ops, graph)
    mask = graph.add_input("mask", b1(3, 5))
    graph.outputs = [emit("reshape", mask, shape=(15,)), emit("masked", graph.add_input("g", f32(3, 5)), mask)]
    rng = np.random.default_rng(0)
    given = rng.integers(0, 2, (3, 5)).astype(bool)
    g = rng.normal(size=(3, 5)).astype(np.float32)
    flat, masked = TvmSession(Program(graph), TOOLBOX).infer({"mask": given, "g": g}).values()
    np.testing.assert_array_equal(flat, given.reshape(-1))
    np.testing.assert_array_equal(masked, np.where(given, g, 0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": None}, "no array is given for input lr"),
        ({"x": np.zeros((BATCH, 3), np.float32)}, r"x.*float32\[8, 3\]"),
        ({"x": np.zeros((BATCH, 12), np.int32)}, "x.*int32"),
        ({"rate": np.float32(1)}, "no input 'rate'"),
    ],
)
def test_wrong_inputs_are_refused(session, change, message):
    inputs = {name: array for name, array in (batch() | change).items() if array is not None}
    with pytest.raises(CompileError, match=f"GL301.*{message}"):
        session.train_step(inputs)


def test_frozen_states_cannot_be_set(session):
    with pytest.raises(CompileError, match=r"GL301.*no changeable state 'head_bias'"):
        session.set_states({"head_bias": np.zeros(CLASSES, np.float32)})


def _doubled(kernels: tuple[str, ...]) -> TvmSession:
    """A graph of an op from a plugin, with these kernels of the plugin."""
    module = "gradlet.tests.backends.tvm.twice"
    plugin = Plugin("test", ops=(f"{module}:TWICE",), kernels={"tvm": tuple(f"{module}:{k}" for k in kernels)})
    toolbox = Toolbox([builtin(), plugin])
    graph = Graph("doubled")
    graph.outputs = [Emit(toolbox.ops, graph, loc="features.3")("twice", graph.add_input("x", f32(2)))]
    return TvmSession(Program(graph), toolbox)


def test_plugin_brings_a_kernel():
    (doubled,) = _doubled(("KERNELS",)).infer({"x": np.array([1, -2], np.float32)}).values()
    assert doubled.tolist() == [2, -4]


def test_op_without_kernel_is_named_with_its_place():
    with pytest.raises(CompileError, match=r"(?s)GL310.*'tvm'.*'twice'.*features\.3"):
        _doubled(())


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16])
def test_half_precision(dtype):
    graph = Graph("half")
    emit = Emit(TOOLBOX.ops, graph)
    half = emit("cast", graph.add_input("x", f32(4)), dtype=dtype.value)
    graph.outputs = [half, emit("relu", half), emit("cast", half, dtype="float32")]
    given = np.array([1.5, -2.25, 100, 0.125], np.float32)
    found = list(TvmSession(Program(graph), TOOLBOX).infer({"x": given}).values())
    assert [a.dtype for a in found] == [dtype.numpy, dtype.numpy, np.float32]
    np.testing.assert_array_equal(found[1].astype(np.float32), np.maximum(given, 0))
    np.testing.assert_array_equal(found[2], given)

"""Programs that run as C on this machine."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from gradlet.backends.reference import BACKEND as REFERENCE
from gradlet.backends.tinyengine import BACKEND
from gradlet.backends.tinyengine.host.compiler import Build, Compiler, find_compiler
from gradlet.backends.tinyengine.host.session import open_host, open_many
from gradlet.ir.errors import CompileError
from gradlet.ir.program import Program
from gradlet.optimizers.passes.place_buffers import place
from gradlet.tests.backends.tinyengine.programs import HOST, TOOLBOX, batch, classifier, features, mlp


def assert_same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].shape == np.shape(array)
        np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-6, err_msg=name)


def test_learns_as_the_reference_does():
    program = mlp()
    ours, reference = (b.open(program, HOST, TOOLBOX) for b in (BACKEND, REFERENCE))
    before = ours.states()["head.weight"]
    for seed in range(5):
        assert_same(ours.train_step(batch(seed)), reference.train_step(batch(seed)))
        assert_same(ours.states(), reference.states())
        assert_same(ours.infer(features(seed)), reference.infer(features(seed)))
    assert not np.allclose(before, ours.states()["head.weight"])


def test_program_that_does_not_train_only_infers():
    session = open_host(classifier(), HOST, TOOLBOX)
    reference = REFERENCE.open(classifier(), HOST, TOOLBOX)
    assert_same(session.infer(features()), reference.infer(features()))
    with pytest.raises(AssertionError, match="does not train"):
        session.train_step(batch())


def test_learning_rate_is_an_argument_of_each_step():
    session = open_host(mlp(), HOST, TOOLBOX)
    start = session.states()["head.weight"]
    steps = []
    for lr in (0.0, 0.1, 0.2):
        session.set_states({"head.weight": start})
        session.train_step(batch(lr=lr))
        steps.append(session.states()["head.weight"] - start)
    assert not steps[0].any()
    np.testing.assert_allclose(steps[2], 2 * steps[1], rtol=1e-5, atol=1e-6)


def test_parameters_read_back_as_written():
    session = open_host(mlp(), HOST, TOOLBOX)
    assert np.array_equal(session.states()["body.bias"], mlp().graph.states[1].init)
    written = np.arange(24, dtype=np.float32).reshape(3, 8)
    session.set_states({"head.weight": written})
    assert np.array_equal(session.states()["head.weight"], written)


def test_constant_parameter_cannot_be_set():
    session = open_host(mlp(), HOST, TOOLBOX)
    with pytest.raises(CompileError, match=r"GL301.*changeable state 'body.bias'"):
        session.set_states({"body.bias": np.zeros(8, np.float32)})


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": np.zeros((4, 6))}, "no array is given for input label, lr"),
        (batch() | {"y": np.zeros(3)}, "no input 'y'"),
        (batch() | {"x": np.zeros((4, 5))}, r"input 'x' is f32\[4,6\], not float64\[4, 5\]"),
        (batch() | {"label": np.zeros(4)}, r"input 'label' is i32\[4\], not float64"),
    ],
)
def test_wrong_inputs_are_refused(inputs, message):
    with pytest.raises(CompileError, match=message):
        open_host(mlp(), HOST, TOOLBOX).train_step(inputs)


def test_two_sessions_of_one_program_learn_apart():
    first, second = (open_host(mlp(), HOST, TOOLBOX) for _ in range(2))
    first.train_step(batch())
    assert not np.array_equal(first.states()["head.weight"], second.states()["head.weight"])
    first.close()
    second.train_step(batch())


def test_many_models_in_one_binary():
    programs = [mlp("net", 1), mlp("net", 2), classifier("net", 3), mlp("other", 4)]
    sessions = open_many(programs, HOST, TOOLBOX)
    assert [s.model.name for s in sessions] == ["net", "net_2", "net_3", "other"]
    for program, session in zip(programs, sessions, strict=True):
        reference = REFERENCE.open(program, HOST, TOOLBOX)
        for seed in range(3) if program.trains else ():
            assert_same(session.train_step(batch(seed)), reference.train_step(batch(seed)))
    for program, session in zip(programs, sessions, strict=True):
        reference = REFERENCE.open(program, HOST, TOOLBOX)
        assert program.trains or np.array_equal(session.states()["body.bias"], reference.states()["body.bias"])
        session.close()


def planned(program: Program) -> Program:
    """With the plans that the optimizers make: bytes are used again and again."""
    step, infer = program.graph, program.infer
    step.plan = place(step, TOOLBOX.ops, HOST.alignment)
    offsets = {v.name: o for v, o in step.plan.offsets().items() if v in step.inputs}
    infer.plan = place(infer, TOOLBOX.ops, HOST.alignment, pinned=offsets)
    return program


def test_planned_arena_gives_the_same_bits():
    plain, tight = (open_host(p, HOST, TOOLBOX) for p in (mlp(), planned(mlp())))
    assert tight.model.arena_bytes < plain.model.arena_bytes
    assert tight.model.arena_bytes == max(g.plan.arena_bytes for g in tight.model.program.graphs)
    for seed in range(3):
        for run in ("train_step", "infer"):
            inputs = batch(seed) if run == "train_step" else features(seed)
            found, expected = (getattr(s, run)(inputs) for s in (tight, plain))
            assert all(found[name].tobytes() == expected[name].tobytes() for name in expected)
    assert tight.save() == plain.save()


def test_input_that_moves_between_the_two_plans_is_a_bug():
    program = planned(mlp())
    plan = program.infer.plan
    moved = tuple(s.at(s.offset + 1024) for s in plan.slots)
    program.infer.plan = replace(plan, slots=moved, arena_bytes=plan.arena_bytes + 1024)
    with pytest.raises(AssertionError, match="input %x lies at"):
        open_host(program, HOST, TOOLBOX)


def test_without_a_system_compiler_zig_compiles(monkeypatch):
    pytest.importorskip("ziglang", exc_type=ImportError)
    monkeypatch.setattr("shutil.which", lambda name: None)
    find_compiler.cache_clear()
    try:
        compiler = find_compiler()
    finally:
        find_compiler.cache_clear()
    assert compiler.command[:2] == (sys.executable, "-m")
    session = open_host(mlp(), HOST, TOOLBOX, Build(("-O1",), compiler))
    assert_same(session.infer(features()), REFERENCE.open(mlp(), HOST, TOOLBOX).infer(features()))


def test_machine_without_any_compiler_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    find_compiler.cache_clear()
    try:
        with pytest.raises(CompileError, match=r"GL330.*\n.*install gcc"):
            find_compiler()
    finally:
        find_compiler.cache_clear()


def test_error_of_the_compiler_is_ours():
    with pytest.raises(AssertionError, match=r"m\.c:1"):
        Build(compiler=Compiler(("cc",))).library({"m.c": b"int f(void) { return y; }"})

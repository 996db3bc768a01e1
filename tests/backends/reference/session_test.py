"""A program on the reference backend: both graphs on one set of states, and what is refused."""

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
from gradlet.tests.small_models import TOOLS, batches, compiled, conv_net, mlp


def _session(program):
    return TOOLS.get("backends", "reference").open(program, TOOLS.get("targets", "x86_64"), TOOLS)


def test_inference_sees_what_was_learned():
    program = compiled(conv_net())
    session = _session(program)
    batch = next(batches(program.graph))
    x = {"x": batch["x"]}
    name = program.infer.outputs[0].name
    before = session.infer(x)[name]
    session.train_step(batch)
    after = session.infer(x)[name]
    assert not np.array_equal(before, after)
    session.set_states(_session(program).states())
    np.testing.assert_array_equal(session.infer(x)[name], before)


def test_a_model_without_training_is_run_by_infer():
    program = compiled(mlp(6, 8, 3), "inference")
    assert program.infer is None
    session = _session(program)
    outputs = session.infer(next(batches(program.graph)))
    assert next(iter(outputs.values())).shape == (4, 3)
    session.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros((4, 7), np.float32)}, "f32"),
        ({"x": np.zeros((4, 6), np.int32)}, "int32"),
        ({"y": np.zeros(3, np.float32)}, "'y'"),
        ({"label": None}, "label"),
    ],
)
def test_wrong_inputs_are_refused(change, message):
    program = compiled(mlp(6, 8, 3))
    batch = {**next(batches(program.graph)), **change}
    with pytest.raises(CompileError, match=message) as info:
        _session(program).train_step({k: a for k, a in batch.items() if a is not None})
    assert info.value.code == "GL301"


def test_only_what_learns_can_be_set():
    program = compiled(mlp(6, 8, 3), sparse_update={"scheme": "head_only"})
    session = _session(program)
    session.set_states({"layers.1.bias": np.ones(3, np.float32)})
    assert session.states()["layers.1.bias"].tolist() == [1, 1, 1]
    with pytest.raises(CompileError) as info:
        session.set_states({"layers.0.bias": np.ones(8, np.float32)})
    assert info.value.code == "GL301"


def test_emitted_files_are_the_printed_graphs():
    program = compiled(mlp(6, 8, 3))
    artifact = TOOLS.get("backends", "reference").emit(program, TOOLS.get("targets", "x86_64"), TOOLS)
    assert sorted(artifact.files) == ["mlp.txt", "mlp_infer.txt"]
    assert artifact.files["mlp.txt"].decode() == str(program.graph)

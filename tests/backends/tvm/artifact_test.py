"""What the TVM backend writes, and what it costs to load it."""

import json
import subprocess
import sys

import pytest

from gradlet.ir.errors import CompileError
from gradlet.tests.backends.tvm.steps import TOOLBOX, mlp, planned_mlp

BACKEND = TOOLBOX.get("backends", "tvm")


@pytest.fixture(scope="module")
def artifact():
    return BACKEND.emit(planned_mlp(), TOOLBOX.get("targets", "x86_64"), TOOLBOX)


def test_files(artifact):
    assert sorted(artifact.files) == ["mlp_calls.json", "mlp_kernels.o", "mlp_kernels.py"]
    assert artifact.files["mlp_kernels.o"].startswith(b"\x7fELF")


def test_calls_name_functions_of_the_module(artifact):
    schedule = json.loads(artifact.files["mlp_calls.json"])
    script = artifact.files["mlp_kernels.py"].decode()
    calls = [call for graph in schedule["graphs"] for call in graph["calls"]]
    assert len(calls) == artifact.report["calls"]
    assert len({call["function"] for call in calls}) == artifact.report["functions"]
    for call in calls:
        assert f"def {call['function']}(" in script
        assert f"__tvm_ffi_{call['function']}".encode() in artifact.files["mlp_kernels.o"]
        assert all(a.get("state") or a["offset"] < schedule["arena_bytes"] for a in call["arguments"])


def test_working_memory_that_is_not_planned_is_named():
    unplanned = BACKEND.emit(mlp(), TOOLBOX.get("targets", "x86_64"), TOOLBOX)
    graphs = json.loads(unplanned.files["mlp_calls.json"])["graphs"]
    assert {"scratch": 0} in [a for graph in graphs for call in graph["calls"] for a in call["arguments"]]


def test_part_that_learns_begins_inside_of_the_state(artifact):
    schedule = json.loads(artifact.files["mlp_calls.json"])
    (momentum,) = [c for g in schedule["graphs"] for c in g["calls"] if c["function"] == "momentum"]
    assert {"state": "body", "offset": 3 * 4} in momentum["arguments"]


def test_same_program_same_files(artifact):
    again = BACKEND.emit(planned_mlp(), TOOLBOX.get("targets", "x86_64"), TOOLBOX)
    assert again.files["mlp_kernels.py"] == artifact.files["mlp_kernels.py"]
    assert again.files["mlp_calls.json"] == artifact.files["mlp_calls.json"]


def test_microcontroller_is_refused():
    with pytest.raises(CompileError, match=r"(?s)GL320.*stm32f746.*cortex-m7.*tinyengine"):
        BACKEND.emit(mlp(), TOOLBOX.get("targets", "stm32f746"), TOOLBOX)


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import gradlet.backends.tvm", "tvm"),
        ("import gradlet.backends.tvm.session", "torch"),
    ],
)
def test_import_loads_nothing_heavier(statement, absent):
    program = f"import sys; {statement}; assert {absent!r} not in sys.modules"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_torch_can_be_imported_afterwards():
    pytest.importorskip("torch")
    program = "import gradlet.backends.tvm.package, torch; assert torch.ones(2).sum() == 2"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

"""What is left out of a command or a call is what its user expects."""

import json
import sys

import numpy as np
import pytest
import torch

import gradlet
from gradlet.ir import files
from gradlet.ir.errors import CompileError
from gradlet.ir.program import Program
from gradlet.tests.small_models import TOOLS, compiled, mlp
from gradlet.tools import cli


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files.save(compiled(mlp(3, 8, 2)), tmp_path / "net.gradlet", TOOLS.ops)
    files.save(Program(mlp(3, 8, 2)), tmp_path / "forward.gradlet", TOOLS.ops)
    np.savez(tmp_path / "data.npz", images=np.zeros((8, 3), np.float32), labels=np.zeros(8, np.int32))
    return tmp_path


@pytest.mark.parametrize(
    ("options", "backend", "target"),
    [
        ([], "reference", "x86_64"),
        (["--target", "stm32f746"], "tinyengine", "stm32f746"),
        (["--backend", "tinyengine"], "tinyengine", "x86_64"),
    ],
)
def test_a_target_that_is_named_runs_the_program(folder, options, backend, target):
    assert cli.main(["run", "net.gradlet", "--data", "data.npz", "--json", "run.json", *options]) == 0
    report = json.loads((folder / "run.json").read_text())
    assert (report["backend"], report["target"]) == (backend, target)


def test_an_inference_alone_shows_its_instructions(folder, capsys):
    assert cli.main(["compile", "forward.gradlet", "--scheme", "none", "--emulate"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "instructions" in line)
    assert "forward" in line and "training" not in line


def test_what_the_example_lacks_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    args = cli.parser().parse_args(["run", "net.gradlet", "--data", "digits:1"])
    with pytest.raises(CompileError, match=r"GL410.*\n.*pip install scikit-learn"):
        args.main(args)


@pytest.mark.parametrize(("options", "size"), [({}, 2), ({"batch": 5}, 5)])
def test_the_batch_size_is_that_of_the_sample_unless_one_is_given(options, size):
    found = gradlet.compile(torch.nn.Linear(3, 2), torch.zeros(2, 3), target="x86_64", backend="reference", **options)
    assert found.program.graph.inputs[0].type.shape == (size, 3)

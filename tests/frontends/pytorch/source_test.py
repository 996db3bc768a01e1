"""Programs from files: exported ones, and functions of the user's Python."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gradlet.frontends.pytorch import FRONTEND
from gradlet.ir.errors import CompileError
from gradlet.ir.frontend import ImportRequest
from gradlet.tests.frontends.pytorch.imported import normal, toolbox, worst_error
from gradlet.tests.models.initialisation import he

USER_FILE = """
import torch
from layers import block

WIDTH = 4

def net():
    layers = [block(WIDTH), torch.nn.Flatten(), torch.nn.Linear(WIDTH * 16, 3)]
    return torch.nn.Sequential(*layers), torch.zeros(1, 3, 6, 6)

def bare():
    return torch.nn.Linear(5, 2)

def wrong():
    return WIDTH

def unsupported():
    return torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.LogSigmoid()), torch.zeros(1, 4)

def broken():
    return block("four")
"""
LAYERS_FILE = """
import torch

def block(width):
    return torch.nn.Sequential(torch.nn.Conv2d(3, width, 3), torch.nn.ReLU())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models.py").write_text(USER_FILE)
    (tmp_path / "layers.py").write_text(LAYERS_FILE)
    return tmp_path


def load(source: object, batch: int | None = None, **options: str):
    return FRONTEND.load(ImportRequest(str(source), batch, options), toolbox())


def refused(code: str, source: object, batch: int | None = None, **options: str) -> CompileError:
    with pytest.raises(CompileError) as caught:
        load(source, batch, **options)
    assert caught.value.code == code, caught.value
    assert caught.value.hint
    return caught.value


def outcome(source: object) -> str:
    try:
        load(source)
    except CompileError as error:
        return error.code
    return "imported"


def export(path: Path, module: nn.Module, *samples: torch.Tensor, **options: object) -> Path:
    torch.export.save(torch.export.export(module.eval(), samples, **options), path)
    return path


def net() -> nn.Module:
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)]
    return he(nn.Sequential(*layers)).eval()


def test_what_is_accepted():
    assert all(map(FRONTEND.accepts, ["a.pt2", "a/b.py:net", "a.py"]))
    assert not any(map(FRONTEND.accepts, ["a.tflite", "a.pt", "a.py:", "py:net"]))


def test_the_frontend_loads_torch_only_when_it_is_used():
    program = "import sys, gradlet.frontends.pytorch; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_exported_file(tmp_path):
    module, x = net(), normal(2, 3, 6, 6)
    program = load(export(tmp_path / "net.pt2", module, x))
    assert program.name == "net"
    assert [s.name for s in program.graph.states if s.trainable] == [n for n, _ in module.named_parameters()]
    assert worst_error(program, module, x) < 1e-5


@pytest.mark.parametrize("batch", [1, 5])
def test_exported_file_in_another_batch_size(tmp_path, batch):
    module = net()
    program = load(export(tmp_path / "net.pt2", module, normal(2, 3, 6, 6)), batch)
    assert program.graph.outputs[0].type.shape == (batch, 3)
    assert worst_error(program, module, normal(batch, 3, 6, 6)) < 1e-5


def test_exported_file_with_an_open_batch_size(tmp_path):
    module, open_batch = net(), ({0: torch.export.Dim("n", min=1, max=64)},)
    file = export(tmp_path / "net.pt2", module, normal(2, 3, 6, 6), dynamic_shapes=open_batch)
    assert worst_error(load(file, 3), module, normal(3, 3, 6, 6)) < 1e-5
    assert "axis 0 of input input" in refused("GL107", file).what


def test_exported_file_whose_batch_size_is_mixed_with_others(tmp_path):
    class Mixing(nn.Module):
        def forward(self, x):
            return x.reshape(x.shape[0] * 2, 3)

    file = export(tmp_path / "net.pt2", Mixing(), normal(2, 6))
    assert load(file).graph.outputs[0].type.shape == (4, 3)
    assert "from 2 to 3" in refused("GL110", file, 3).what


def test_open_width(tmp_path):
    wide = ({3: torch.export.Dim("w", min=6, max=64)},)
    file = export(tmp_path / "net.pt2", nn.Conv2d(3, 4, 3), normal(2, 3, 6, 8), dynamic_shapes=wide)
    assert "axis 3 of input input" in refused("GL107", file, 2).what


def test_missing_file(tmp_path):
    assert "no.pt2" in refused("GL101", tmp_path / "no.pt2").what
    assert "no.py" in refused("GL101", f"{tmp_path}/no.py:net").what


def test_unreadable_files(tmp_path):
    whole = export(tmp_path / "net.pt2", net(), normal(2, 3, 6, 6)).read_bytes()
    for name, content in {"truncated": whole[: len(whole) // 2], "empty": b"", "text": b"import torch\n" * 50}.items():
        (tmp_path / f"{name}.pt2").write_bytes(content)
        assert name in refused("GL102", tmp_path / f"{name}.pt2").what


def test_damaged_files(tmp_path):
    """Whatever byte is wrong: a program, or an error of this kind."""
    whole = bytearray(export(tmp_path / "net.pt2", nn.Linear(3, 2), normal(2, 3)).read_bytes())
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(whole), 12):
        damaged = whole.copy()
        damaged[position] ^= 0xFF
        (tmp_path / "damaged.pt2").write_bytes(damaged)
        assert outcome(tmp_path / "damaged.pt2") in ("imported", "GL102")


def test_function(folder):
    before = set(sys.modules), list(sys.path)
    program = load(f"{folder}/models.py:net", batch=2)
    assert program.name == "net"
    assert program.graph.inputs[0].type.shape == (2, 6, 6, 3)
    assert [n.loc for n in program.graph.nodes if n.op == "conv2d"] == ["0.0"]
    assert not {"models", "layers"} & (set(sys.modules) - before[0])
    assert sys.path == before[1]


def test_function_without_a_sample(folder):
    program = load(f"{folder}/models.py:bare", shape="4,5")
    assert program.graph.inputs[0].type.shape == (4, 5)
    assert "shape=" in refused("GL112", f"{folder}/models.py:bare").hint
    assert "4 by 5" in refused("GL113", f"{folder}/models.py:bare", shape="4 by 5").what
    assert "colour" in refused("GL113", f"{folder}/models.py:bare", colour="red").what


def test_function_that_is_not_there(folder):
    assert "net, bare, wrong, unsupported, broken" in refused("GL104", f"{folder}/models.py:nothing").hint
    assert "models.py:FUNCTION" in refused("GL104", f"{folder}/models.py").hint
    assert refused("GL104", f"{folder}/models.py:WIDTH")


def test_function_that_returns_something_else(folder):
    assert "int" in refused("GL104", f"{folder}/models.py:wrong").what


def test_function_whose_module_has_no_code_of_its_own(folder):
    error = refused("GL105", f"{folder}/models.py:unsupported")
    assert error.what == "1 unsupported operator:\n  aten.log_sigmoid.default at 1"


def test_function_that_fails(folder):
    error = refused("GL103", f"{folder}/models.py:broken")
    assert error.where == "layers.py:5 in block"


def test_file_that_fails(folder):
    (folder / "fails.py").write_text("import torch\n\n1 / 0\n")
    error = refused("GL103", f"{folder}/fails.py:net")
    assert (error.where, "ZeroDivisionError" in error.what) == ("fails.py:3 in <module>", True)
    (folder / "leaves.py").write_text("import sys\nsys.exit(3)\n")
    assert "SystemExit" in refused("GL103", f"{folder}/leaves.py:net").what


def test_file_that_is_not_python(folder):
    (folder / "prose.py").write_text("x = 1\nthis is no program\n")
    assert refused("GL103", f"{folder}/prose.py:net").where == "prose.py:2"
    (folder / "bytes.py").write_bytes(b"\xff\xfe\x00")
    refused("GL103", f"{folder}/bytes.py:net")


def test_torch_is_not_installed(tmp_path, monkeypatch):
    (tmp_path / "net.pt2").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "gradlet[torch]" in refused("GL111", tmp_path / "net.pt2").hint


@pytest.mark.parametrize("batch", [0, -3])
def test_a_batch_without_samples(batch):
    with pytest.raises(CompileError, match="GL212"):
        ImportRequest("net.py:net", batch)

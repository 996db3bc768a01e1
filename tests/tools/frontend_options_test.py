"""Options reach the frontend from the command line and from Python; a head that it makes is not replaced."""

from pathlib import Path

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
from gradlet.ir.plugin import load
from gradlet.ir.program import Program
from gradlet.tests.small_checkpoint import CLASSES, RESOLUTION, checkpoint, pickled, zipped
from gradlet.tools import cli
from gradlet.tools.api import Options, compile_module, import_source, usual_pipeline
from gradlet.tools.compile import options_of

TOOLS = load(installed=False)


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "net.pkl"
    path.write_bytes(zipped(pickled(checkpoint())))
    return path


def imported(file: Path, *arguments: str) -> tuple[Program, str]:
    """What the command line imports, and the passes that it runs."""
    options = options_of(cli.parser().parse_args(["compile", str(file), *arguments]))
    program = import_source(str(file), options, TOOLS)
    return program, usual_pipeline(options, program)


def head(program: Program) -> np.ndarray:
    return next(s.init for s in program.graph.states if s.name == "classifier.weight")


def test_without_options(file):
    program, pipeline = imported(file)
    assert program.graph.inputs[0].type.shape == (1, RESOLUTION, RESOLUTION, 3)
    assert program.graph.outputs[0].type.shape == (1, CLASSES)
    assert pipeline == "train"


def test_options_in_braces(file):
    program, _ = imported(file, "--frontend", "mcunet{resolution=24,rounding=single_rounding}", "--batch", "2")
    assert program.graph.inputs[0].type.shape == (2, 24, 24, 3)
    assert program.graph.nodes[0].attrs["rounding"] == "single_rounding"


def test_the_frontend_makes_the_head(file):
    program, pipeline = imported(file, "--classes", "7", "--seed", "1")
    assert program.graph.outputs[0].type.shape == (1, 7)
    assert program.graph.nodes[-1].op == "dense"
    assert pipeline == "train"
    other, again = (head(imported(file, "--classes", "7", "--seed", seed)[0]) for seed in ("2", "1"))
    assert (head(program) != other).any() and (head(program) == again).all()


def test_its_own_options_come_first(file):
    program, pipeline = imported(file, "--classes", "7", "--frontend", "mcunet{classes=4}")
    assert program.graph.outputs[0].type.shape == (1, 4)
    assert pipeline == "replace_head,train", "the compilation wants another head than the model has"


def test_a_frontend_that_makes_no_head_is_not_asked(tmp_path):
    path = tmp_path / "model.py"
    path.write_text("import torch\n\ndef net():\n    return torch.nn.Linear(4, 2), torch.zeros(1, 4)\n")
    source = f"{path}:net"
    options = Options(classes=3, frontend="pytorch{shape=5x4}")
    program = import_source(source, options, TOOLS)
    assert program.graph.inputs[0].type.shape == (5, 4)
    assert program.graph.outputs[0].type.shape == (5, 2)
    assert usual_pipeline(options, program) == "replace_head,train"


def test_from_python(file):
    compiled = compile_module(
        file, scheme="head_only", classes=3, backend="reference", import_options={"resolution": "8"}
    )
    outputs = compiled.open().infer({"image": np.zeros((1, 8, 8, 3), np.int8)})
    assert outputs["logits"].shape == (1, 3)


def test_mistakes(file):
    for text, code in (("mcunet{resolutoin=96}", "GL211"), ("mcnet", "GL504"), ("mcunet{", "GL210")):
        with pytest.raises(CompileError) as caught:
            imported(file, "--frontend", text)
        assert caught.value.code == code

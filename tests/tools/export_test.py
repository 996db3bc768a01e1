"""From a .tflite file to a trained one on the command line, and the training plan on its way along with a model."""

import json
from pathlib import Path

import numpy as np
import pytest

import gradlet
from gradlet.backends.reference.session import ReferenceSession
from gradlet.frontends.tflite.associated_files import PLAN, REPORT, read_files, with_files
from gradlet.frontends.tflite.metadata_schema import METADATA
from gradlet.frontends.tflite.model import parse
from gradlet.frontends.tflite.packing import pack, unpack
from gradlet.ir import files, serialize
from gradlet.ir.errors import CompileError
from gradlet.ir.printer import print_graph
from gradlet.ir.program import Program
from gradlet.tests.small_models import TOOLS
from gradlet.tests.small_tflite import flatbuffer, small_model, small_tflite
from gradlet.tools import cli

CLASSES = 2
LABELS = b"cat\nsmall dog\nno animal\n"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    (tmp_path / "net.tflite").write_bytes(small_tflite())
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (32, 6, 6, 2), np.uint8), np.arange(32) % CLASSES
    images[labels == 1, :3] //= 4
    np.savez(tmp_path / "data.npz", images=images, labels=labels, classes=np.array(["bright", "dark"]))
    return tmp_path


def typed(*words: str) -> None:
    assert cli.main(words) == 0


def with_labels() -> bytes:
    graph = {"output_tensor_metadata": [{"associated_files": [{"name": "animals.txt", "type": 2}]}]}
    content = small_model()
    content["metadata"] = [{"name": "TFLITE_METADATA", "buffer": len(content["buffers"])}]
    content["buffers"].append({"data": flatbuffer({"subgraph_metadata": [graph]}, METADATA)})
    return with_files(flatbuffer(content), {"animals.txt": LABELS, "readme.txt": b"read me"})


COMPILE = ("compile", "net.tflite", "--target", "x86_64", "--backend", "reference", "--batch", "4")
TRAIN = ("--data", "data.npz", "--train", "--epochs", "2", "--lr", "0.05", "--out", "learnt.gradlet")
EXPORT = ("export", "learnt.gradlet", "--model", "net.tflite", "--out", "trained.tflite")


def predictions(path: str) -> np.ndarray:
    """Of the reference, for 4 samples of int8."""
    if path.endswith(".tflite"):
        program = gradlet.compile(path, target="x86_64", backend="reference", scheme="none", batch=4).program
    else:
        program = files.load(Path(path), TOOLS.ops)
    graph = program.infer or program.graph
    x = np.random.default_rng(1).integers(-128, 128, graph.inputs[0].type.shape).astype(np.int8)
    return ReferenceSession(program, TOOLS).infer({graph.inputs[0].name: x})[graph.outputs[0].name]


def test_what_was_trained_is_exported(folder):
    typed(*COMPILE, "--out", "build")
    typed("run", "build/net.gradlet", *TRAIN)
    typed(*EXPORT)
    np.testing.assert_array_equal(predictions("trained.tflite"), predictions("learnt.gradlet"))
    assert (predictions("net.tflite") != predictions("trained.tflite")).any()
    assert Path("trained.tflite").stat().st_size == Path("net.tflite").stat().st_size


def test_a_new_head_brings_its_labels(folder):
    Path("net.tflite").write_bytes(with_labels())
    typed(*COMPILE, "--classes", str(CLASSES), "--out", "build")
    typed("run", "build/net.gradlet", *TRAIN)
    typed(*EXPORT)
    np.testing.assert_allclose(predictions("trained.tflite"), predictions("learnt.gradlet"), rtol=1e-6)
    packed = read_files(Path("trained.tflite").read_bytes())
    assert packed.sizes == {"animals.txt": 12, "readme.txt": 7}
    assert packed.read("animals.txt") == b"bright\ndark\n"
    assert packed.read("readme.txt") == b"read me"


def test_a_model_without_metadata_gets_its_labels(folder):
    typed(*COMPILE, "--classes", str(CLASSES), "--out", "build")
    typed("run", "build/net.gradlet", *TRAIN)
    typed(*EXPORT)
    program = gradlet.compile("trained.tflite", target="x86_64", backend="reference", scheme="none").program
    assert program.metadata["output.logits.labels"] == "bright\ndark"


def test_the_api_exports_a_session(folder):
    compiled = gradlet.compile("net.tflite", target="x86_64", backend="reference", batch=4)
    session = compiled.open()
    gradlet.train(compiled, session, "data.npz", epochs=1, lr=0.05)
    gradlet.export(compiled, session, "net.tflite", "trained.tflite")
    graph = compiled.program.infer
    x = np.random.default_rng(1).integers(-128, 128, graph.inputs[0].type.shape).astype(np.int8)
    expected = session.infer({graph.inputs[0].name: x})[graph.outputs[0].name]
    np.testing.assert_array_equal(predictions("trained.tflite"), expected)


def test_a_program_from_elsewhere_is_refused(folder, capsys):
    files.save(Program(gradlet.compile("net.tflite", target="x86_64").program.graph), Path("p.gradlet"), TOOLS.ops)
    assert cli.main(["export", "p.gradlet", "--model", "net.tflite", "--out", "trained.tflite"]) == 1
    assert "GL403" in capsys.readouterr().err
    assert not Path("trained.tflite").exists()


# --- The training plan.


def test_a_plan_travels_with_its_model(folder):
    typed(*COMPILE, "--pack", "packed.tflite", "--out", "build")
    np.testing.assert_array_equal(predictions("packed.tflite"), predictions("net.tflite"))
    found = unpack(Path("packed.tflite").read_bytes())
    assert json.loads(found[REPORT]) == json.loads(Path("build/report.json").read_text())
    program = serialize.from_bytes(found[PLAN], TOOLS.ops)
    assert print_graph(program.graph) == print_graph(files.load(Path("build/net.gradlet"), TOOLS.ops).graph)
    typed("run", "packed.tflite", *TRAIN)
    typed("export", "learnt.gradlet", "--model", "packed.tflite", "--out", "trained.tflite")
    np.testing.assert_array_equal(predictions("trained.tflite"), predictions("learnt.gradlet"))
    assert unpack(Path("trained.tflite").read_bytes()) == {}, "its weights would be old ones"


def test_a_plan_is_shown_and_taken_out(folder, capsys):
    typed(*COMPILE, "--pack", "packed.tflite")
    typed("show", "packed.tflite", "--to", "plan.gradlet")
    typed("run", "plan.gradlet", "--data", "data.npz")
    assert cli.main(["show", "net.tflite"]) == 1
    assert "GL402" in capsys.readouterr().err


def test_packing_again_replaces(folder):
    typed(*COMPILE, "--pack", "packed.tflite")
    once = Path("packed.tflite").read_bytes()
    typed("compile", "packed.tflite", *COMPILE[2:], "--pack", "packed.tflite")
    assert read_files(once).begin == read_files(Path("packed.tflite").read_bytes()).begin, "the model is the same"
    assert unpack(Path("packed.tflite").read_bytes()).keys() == {PLAN, REPORT}
    typed("compile", "packed.tflite", *COMPILE[2:], "--scheme", "none", "--pack", "packed.tflite")
    again = read_files(Path("packed.tflite").read_bytes())
    assert sorted(again.entries) == [PLAN, REPORT] and again.sizes[PLAN] < read_files(once).sizes[PLAN]


def test_metadata_and_files_stay(folder):
    data = with_labels()
    packed = pack(data, {PLAN: b"plan"})
    assert packed[: read_files(packed).begin] == data[: read_files(data).begin]
    files_ = read_files(packed)
    assert files_.sizes == {"animals.txt": len(LABELS), "readme.txt": 7, PLAN: 4}
    assert files_.read("animals.txt") == LABELS
    assert parse(packed).metadata == parse(data).metadata


def test_only_a_tflite_model_brings_a_plan(folder, capsys):
    typed(*COMPILE, "--out", "build")
    assert cli.main(["compile", "build/net.gradlet", "--target", "x86_64", "--pack", "packed.tflite"]) == 1
    assert "GL403" in capsys.readouterr().err


def test_a_damaged_plan_is_told(folder):
    Path("net.tflite").write_bytes(pack(small_tflite(), {PLAN: b"no plan"}))
    with pytest.raises(CompileError, match="GL003"):
        gradlet.tools.export.load_program(Path("net.tflite"), TOOLS)

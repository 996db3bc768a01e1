"""What a model says of its pixels and classes is used where the user says nothing."""

import json
from pathlib import Path

import numpy as np
import pytest

import gradlet
from gradlet.frontends.tflite.metadata_schema import METADATA
from gradlet.ir import files
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType, QuantParams, TensorType
from gradlet.tests.small_models import TOOLS
from gradlet.tests.small_tflite import CLASSES, flatbuffer, small_model
from gradlet.tools import cli
from gradlet.tools.datasets import Dataset, Split
from gradlet.tools.evaluation import class_names
from gradlet.tools.preprocessing import Preprocessing, completed, prepare

SCALE, ZERO = 0.02, -3
LABELS = ("cat", "small dog", "no animal")


def program_with(quant: QuantParams | None = None, **told: str) -> Program:
    graph = Graph("net")
    graph.add_input("x", TensorType(DType.I8 if quant else DType.F32, (1, 2, 2, 2), quant))
    return Program(graph, metadata={f"input.x.{key}": text for key, text in told.items()})


def pixels(program: Program, **chosen: tuple[float, ...]) -> np.ndarray:
    """What all pixels become, in both channels."""
    samples = np.repeat(np.arange(256, dtype=np.uint8), 2).reshape(64, 2, 2, 2)
    split = Split(samples, np.zeros(64, np.int32))
    return prepare(Dataset(split, split), program, Preprocessing(**chosen)).train.inputs.reshape(256, 2)


def test_pixels_are_normalised_as_the_model_says():
    found = pixels(program_with(mean="127.5,100", std="127.5,60"))
    expected = (np.arange(256)[:, None] - [127.5, 100]) / [127.5, 60]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_and_quantised_with_the_scale_of_the_input():
    found = pixels(program_with(QuantParams((SCALE,), (ZERO,)), mean="10", std="100"))
    expected = np.clip((np.arange(256) - 10) / 100 / SCALE + ZERO, -128, 127)
    assert found.dtype == np.int8
    assert np.abs(found - expected[:, None]).max() < 0.5 + 1e-4
    assert found.min() == -8 and found.max() == 119


def test_what_the_user_chooses_comes_first():
    program = program_with(mean="10", std="100")
    assert completed(Preprocessing(), program) == Preprocessing(mean=(10 / 255,), std=(100 / 255,))
    assert completed(Preprocessing(mean=(0.5,)), program) == Preprocessing(mean=(0.5,), std=(100 / 255,))
    np.testing.assert_allclose(pixels(program, mean=(0.0,), std=(1.0,))[:, 0], np.arange(256) / 255, atol=1e-6)


def test_a_model_that_says_nothing_changes_nothing():
    assert completed(Preprocessing(), program_with()) == Preprocessing()


@pytest.mark.parametrize("text", ["ten", "1,,2", "nan", "1e999"])
def test_what_is_no_number_is_told(text):
    with pytest.raises(CompileError, match="GL212"):
        completed(Preprocessing(), program_with(mean=text))


# --- A model with metadata, on the command line.


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    from gradlet.frontends.tflite.associated_files import with_files

    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    unit = {"options_type": 1, "options": {"mean": [100.0], "std": [60.0]}}
    names = {"name": "labels.txt", "type": 2}
    graph = {
        "input_tensor_metadata": [{"process_units": [unit]}],
        "output_tensor_metadata": [{"associated_files": [names]}],
    }
    content = small_model()
    content["metadata"] = [{"name": "TFLITE_METADATA", "buffer": len(content["buffers"])}]
    content["buffers"].append({"data": flatbuffer({"subgraph_metadata": [graph]}, METADATA)})
    data = with_files(flatbuffer(content), {"labels.txt": "\n".join(LABELS).encode()})
    (tmp_path / "animals.tflite").write_bytes(data)
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (32, 6, 6, 2), np.uint8), np.arange(32) % CLASSES
    np.savez(tmp_path / "data.npz", images=images, labels=labels)
    np.savez(tmp_path / "named.npz", images=images, labels=labels, classes=np.array(["a", "b", "c"]))
    return tmp_path


def compiled(*more: str) -> dict:
    options = ["--target", "x86_64", "--scheme", "last_1", "--batch", "2", "--out", "build"]
    assert cli.main(["compile", "animals.tflite", *options, *more]) == 0
    return json.loads(Path("build/report.json").read_text())


def run(*options: str) -> dict:
    assert cli.main(["run", "build/animals.gradlet", "--json", "r.json", *options]) == 0
    return json.loads(Path("r.json").read_text())


def test_the_report_names_the_classes(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    told = compiled()["metadata"]
    assert told["output.logits.labels"] == "\n".join(LABELS) and told["input.image.mean"] == "100"
    assert run("--data", "data.npz")["classes"] == list(LABELS)
    assert "small dog" in capsys.readouterr().out
    assert run("--data", "named.npz")["classes"] == ["a", "b", "c"]


def test_samples_that_the_user_normalises_give_the_same(folder, monkeypatch):
    monkeypatch.chdir(folder)
    compiled()
    training = ("--data", "data.npz", "--train", "--epochs", "1")
    losses = run(*training)["losses"]
    assert run(*training, "--mean", str(100 / 255), "--std", str(60 / 255))["losses"] == losses
    assert run(*training, "--mean", "0")["losses"] != losses


def test_what_was_learnt_keeps_the_names_of_its_classes(folder, monkeypatch):
    monkeypatch.chdir(folder)
    compiled("--classes", "3")
    program = files.load(folder / "build/animals.gradlet", TOOLS.ops)
    assert class_names(program) == ()
    run("--data", "named.npz", "--train", "--epochs", "1", "--out", "learnt.gradlet")
    assert class_names(files.load(folder / "learnt.gradlet", TOOLS.ops)) == ("a", "b", "c")


def test_classes_get_the_numbers_that_the_model_gives_them(folder, monkeypatch):
    """A folder of images is in the order of the alphabet, the labels of a model are not."""
    monkeypatch.chdir(folder)
    given = dict(np.load("data.npz"))
    other = np.array([2, 0, 1])  # what "cat", "small dog" and "no animal" are called below
    np.savez(
        "other.npz", **given | {"labels": other[given["labels"]]}, classes=np.array(["small dog", "no animal", "cat"])
    )
    compiled()
    training = ("--train", "--epochs", "1")
    expected, found = (run("--data", name, *training) for name in ("data.npz", "other.npz"))
    assert found["losses"] == expected["losses"] and found["classes"] == list(LABELS)
    strange = given | {"classes": np.array(["cat", "small dog", "horse"])}
    np.savez("strange.npz", **strange)
    found = run("--data", "strange.npz", *training)
    assert found["losses"] == expected["losses"] and found["classes"] == ["cat", "small dog", "horse"]


def test_a_program_of_the_api_uses_them_too(folder):
    made = gradlet.compile(str(folder / "animals.tflite"), target="x86_64", backend="reference", scheme="none")
    assert made.program.metadata["input.image.std"] == "60"
    assert class_names(made.program) == LABELS

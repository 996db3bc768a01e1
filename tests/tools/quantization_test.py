"""A float model becomes int8 in one command, with samples from anywhere."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import gradlet
from gradlet.ir import files
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import f32
from gradlet.tests.small_models import TOOLS
from gradlet.tools import cli
from gradlet.tools.calibration import load_calibration
from gradlet.tools.quantization import quantize_options

MODEL = """
import torch
from torch import nn

def net():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(body, nn.Flatten(), nn.Linear(8, 4)).eval(), torch.zeros(1, 3, 8, 8)
"""
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (24, 8, 8, 3)).astype(np.uint8)
LABELS = np.arange(24, dtype=np.int64) % 4


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)
    np.savez(tmp_path / "data.npz", images=PIXELS, labels=LABELS)
    return tmp_path


def compiled(*options: str) -> dict:
    assert cli.main(["compile", "model.py:net", "--out", "build", *options]) == 0
    with open("build/report.json") as file:
        return json.load(file)


def test_one_command_from_a_module_to_an_int8_program(folder, capsys):
    options = "--quantize", "int8{ranges=mse,weights=per_tensor}", "--calibration", "data.npz", "--scheme", "last_2"
    report = compiled(*options)["quantization"]
    assert report["method"] == "int8{ranges=mse,weights=per_tensor}" and report["samples"] == 24
    assert [t["place"] for t in report["tensors"]] == ["0.0", "0.3", "2"] and not report["in_float"]
    assert set(report["accuracy"]) == {"float32", "int8"} and report["outputs"]["logits"] > 15
    assert "SNR, dB" in capsys.readouterr().out
    program = files.load(folder / "build" / "net.gradlet", TOOLS.ops)
    assert {"qconv2d", "qdense", "quantized_sgd"} <= {n.op for n in program.graph.nodes}
    assert "int8{ranges=mse,weights=per_tensor}" in program.pipeline


def test_a_new_head_stays_in_float32(folder):
    report = compiled("--quantize", "int8", "--calibration", "data.npz", "--classes", "2")
    assert [row["why"] for row in report["quantization"]["in_float"]] == ["is the head"]
    assert report["quantization"]["accuracy"] is None, "nothing is known of the new classes"
    assert report["pipeline"].count("replace_head{classes=2}") == 1


def test_what_is_run_is_normalised_as_what_calibrated(folder, capsys):
    """int8 inputs take pixels as the samples were: the program knows how."""
    compiled("--quantize", "int8{inputs=int8,mean=[0.4, 0.5, 0.6],std=0.25}", "--calibration", "data.npz")
    program = files.load(folder / "build" / "net.gradlet", TOOLS.ops)
    quant = program.graph.inputs[0].type.quant
    low, high = ((k - quant.zero_point[0]) * quant.scale[0] for k in (-128, 127))
    assert low == pytest.approx((0 - 0.6) / 0.25, abs=quant.scale[0])
    assert high == pytest.approx((1 - 0.4) / 0.25, abs=quant.scale[0])
    assert program.metadata["input.input.mean"] == "102.0,127.5,153.0"
    assert program.metadata["input.input.std"] == "63.75"
    assert cli.main(["run", "build/net.gradlet", "--data", "data.npz", "--json", "run.json"]) == 0


def test_exported_modules(folder):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()
    torch.export.save(torch.export.export(module, (torch.zeros(1, 3, 8, 8),)), "net.pt2")
    made = gradlet.compile("net.pt2", quantize="int8", calibration="data.npz", target="x86_64", scheme="none")
    assert [t["op"] for t in made.report["quantization"]["tensors"]] == ["conv2d", "dense"]
    assert made.report["quantization"]["outputs"]["logits"] > 20


def test_a_forward_program(folder):
    graph = Graph("net")
    emit = Emit(TOOLS.ops, graph)
    x = graph.add_input("x", f32(1, 6))
    w = graph.add_state("w", RNG.normal(size=(3, 6)).astype(np.float32), f32(3, 6), trainable=True)
    graph.outputs = [emit("dense", x, w)]
    files.save(Program(graph), folder / "dense.gradlet", TOOLS.ops)
    np.save(folder / "x.npy", RNG.normal(size=(9, 6)))
    made = gradlet.compile("dense.gradlet", quantize="int8", calibration="x.npy", target="x86_64")
    assert made.report["quantization"]["samples"] == 9
    with pytest.raises(CompileError, match="GL403.*finished"):
        gradlet.compile(made.program, quantize="int8", calibration="x.npy", target="x86_64")


def test_a_prediction_that_does_not_exist(folder):
    (folder / "model.py").write_text(MODEL)
    with pytest.raises(CompileError, match="GL203.*1 outputs, and prediction 3"):
        gradlet.compile("model.py:net", quantize="int8", calibration=PIXELS, prediction=3)


def test_batch_norms_in_training_mode_are_told(folder):
    (folder / "model.py").write_text(MODEL.replace(".eval()", ""))
    with pytest.raises(CompileError, match="GL242.*training mode"):
        gradlet.compile("model.py:net", quantize="int8", calibration=PIXELS)


def input_graph(batch: int = 1) -> Graph:
    graph = Graph("net")
    graph.add_input("x", f32(batch, 8, 8, 3))
    return graph


def stacked(given, batch: int = 1, most: int = 0) -> np.ndarray:
    return np.concatenate([feed["x"] for feed in load_calibration(given, input_graph(batch), most).feeds])


def same_set(found: np.ndarray, wanted: np.ndarray) -> None:
    order = [np.lexsort(a.reshape(len(a), -1).T) for a in (found, wanted)]
    np.testing.assert_array_equal(found[order[0]], wanted[order[1]])


REAL = PIXELS.astype(np.float32) / np.float32(255)


def test_arrays_and_iterables():
    same_set(stacked(REAL), REAL)
    same_set(stacked(torch.from_numpy(np.moveaxis(REAL, -1, 1).copy())), REAL)
    same_set(stacked(list(REAL)), REAL)
    same_set(stacked(REAL[k : k + 5] for k in range(0, 24, 5)), REAL)
    same_set(stacked((REAL[k], LABELS[k]) for k in range(24)), REAL)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.from_numpy(REAL), torch.from_numpy(LABELS)), batch_size=7
    )
    found = load_calibration(loader, input_graph(), 0)
    same_set(np.concatenate([feed["x"] for feed in found.feeds]), REAL)
    order = [int(np.flatnonzero((feed["x"][0] == REAL).all((1, 2, 3)))[0]) for feed in found.feeds]
    np.testing.assert_array_equal(found.labels, LABELS[order])


def test_files(folder):
    same_set(stacked("data.npz"), REAL)
    np.savez(folder / "alone.npz", anything=REAL)
    same_set(stacked("alone.npz"), REAL)
    np.save(folder / "data.npy", PIXELS)
    same_set(stacked("data.npy"), REAL)
    (folder / "data.py").write_text("import numpy as np\ndef load():\n    return np.load('data.npy')\n")
    same_set(stacked("data.py:load"), REAL)


@pytest.mark.parametrize("classes", [False, True])
def test_folders_of_images(folder, classes):
    for k, image in enumerate(PIXELS):
        path = folder / "photos" / (str(k % 2) if classes else "") / f"{k:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.kron(image, np.ones((2, 2, 1), np.uint8))).save(path)
    found = load_calibration("photos", input_graph(), 0)
    assert len(found.feeds) >= 19 and (found.labels is not None) == classes
    assert all(feed["x"].min() >= 0 and feed["x"].max() <= 1 for feed in found.feeds)


def test_batches_are_whole_and_samples_limited():
    found = load_calibration(REAL, input_graph(batch=10), 0)
    assert [feed["x"].shape[0] for feed in found.feeds] == [10, 10, 10]
    assert len(stacked(REAL, most=7)) == 7
    drawn = (REAL[k] for k in range(24))
    assert len(stacked(drawn, most=7)) == 7 and len(list(drawn)) == 17, "no more is read than is needed"


def test_several_inputs_have_names():
    graph = input_graph()
    graph.add_input("y", f32(1, 2))
    found = load_calibration({"x": REAL, "y": np.ones((24, 2))}, graph, 5)
    assert len(found.feeds) == 5 and found.feeds[0]["y"].shape == (1, 2)
    with pytest.raises(CompileError, match="GL430.*for %y"):
        load_calibration({"x": REAL, "y": np.ones((24, 3))}, graph, 5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("missing.npz", "GL430.*there are no calibration data"),
        (np.zeros((0, 8, 8, 3)), "GL430.*no samples"),
        ([], "GL430.*no samples"),
        (7, "GL430.*int"),
        (np.array(["a"] * 3), "GL430.*type <U1"),
        (np.zeros((4, 5, 5, 3), np.float32), "GL411.*do not fit"),
        ({"pictures": REAL, "labels": LABELS, "more": LABELS}, "GL430.*no samples"),
        ({"images": REAL, "labels": LABELS[:3]}, "GL430.*3 labels for 24"),
    ],
)
def test_mistakes_are_told(folder, given, message):
    with pytest.raises(CompileError, match=message):
        load_calibration(given, input_graph(), 0)


@pytest.mark.parametrize("text", ["int4", "int8,int8", "int8{weights=both}", "int8{rang=kl}"])
def test_methods_that_do_not_exist(text):
    with pytest.raises(CompileError, match=r"GL403|GL21\d"):
        quantize_options(text)


def test_int16_is_an_option_of_int8():
    assert quantize_options("int8{activations=int16,inputs=int16}").bits == 16
    with pytest.raises(CompileError, match="GL403") as found:
        quantize_options("int16")
    assert found.value.hint == "write int8{activations=int16}: weights are int8"
    for text, fitting in (("int8{activations=int16,inputs=int8}", "int16"), ("int8{inputs=int16}", "int8")):
        with pytest.raises(CompileError, match="GL212") as found:
            quantize_options(text)
        assert found.value.hint == f"give inputs={fitting}, or float32"


def test_modules_and_loaders_from_python():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()
    samples = [torch.rand(4, 3, 8, 8) for _ in range(3)]
    made = gradlet.compile(module, torch.zeros(2, 3, 8, 8), quantize="int8", calibration=samples, target="x86_64")
    assert made.report["quantization"]["samples"] == 12
    assert made.program.graph.inputs[0].type == f32(2, 8, 8, 3)

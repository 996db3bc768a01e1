"""The whole way of an image classifier: labelled by tflite-support, fine-tuned, exported, run by TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from gradlet.ir import files
from gradlet.ir.plugin import load
from gradlet.tests.frontends.tflite.keras_models import converted
from gradlet.tests.frontends.tflite.support import supported
from gradlet.tests.frontends.tflite.written import interpreted
from gradlet.tools import cli

NAMES = ("dark", "bright")
MEAN, STD = 100.0, 60.0


def classifier(folder: Path) -> None:
    """`net.tflite`, a converted int8 network with metadata, and `data.npz`, pixels of two classes."""
    (folder / "labels.txt").write_text("a\nb\nc\nd\ne\n")
    writers = supported("metadata_writers.image_classifier")
    data = bytearray(converted("inverted_residuals", "int8"))
    labels = [str(folder / "labels.txt")]
    writer = writers.MetadataWriter.create_for_inference(data, [MEAN], [STD], labels)
    (folder / "net.tflite").write_bytes(writer.populate())
    rng = np.random.default_rng(0)
    targets = np.arange(48) % 2
    images = (rng.integers(0, 128, (48, 16, 16, 3)) + 100 * targets[:, None, None, None]).astype(np.uint8)
    np.savez(folder / "data.npz", images=images, labels=targets, classes=np.array(NAMES))


def test_a_fine_tuned_classifier_is_exported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    classifier(tmp_path)
    target = ["--backend", "tinyengine", "--target", "x86_64"]
    options = ["--classes", "2", "--scheme", "full", "--batch", "4", *target, "--out", "build"]
    assert cli.main(["compile", "net.tflite", *options]) == 0
    training = ["--train", "--epochs", "4", "--lr", "0.02", "--out", "learnt.gradlet", "--json", "run.json"]
    assert cli.main(["run", "build/net.gradlet", "--data", "data.npz", *target, *training]) == 0
    assert cli.main(["export", "learnt.gradlet", "--model", "net.tflite", "--out", "trained.tflite"]) == 0
    data = Path("trained.tflite").read_bytes()

    program = files.load(Path("learnt.gradlet"), load(installed=False).ops)
    image = program.graph.inputs[0]
    (scale,), (zero,) = image.type.quant.scale, image.type.quant.zero_point
    x = (np.load("data.npz")["images"].astype(np.float32) - MEAN) / STD
    x = np.clip(np.rint(x / np.float32(scale)) + zero, -128, 127).astype(np.int8)
    ours = _logits(program, x)
    theirs = np.concatenate([interpreted(data, sample[None]) for sample in x])
    np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5)
    targets = np.load("data.npz")["labels"]
    accuracy = float(np.mean(theirs.argmax(axis=1) == targets))
    assert accuracy > 0.9 and json.loads(Path("run.json").read_text())["classes"] == list(NAMES)

    display = supported("metadata").MetadataDisplayer.with_model_buffer(data)
    assert display.get_associated_file_buffer("labels.txt") == b"dark\nbright\n"
    assert '"name": "ImageClassifier"' in display.get_metadata_json()


def _logits(program, x):
    from gradlet.backends.reference.session import ReferenceSession

    session, name = ReferenceSession(program, load(installed=False)), program.infer.inputs[0].name
    rows = [session.infer({name: batch})["logits"] for batch in x.reshape(-1, 4, *x.shape[1:])]
    return np.concatenate(rows)

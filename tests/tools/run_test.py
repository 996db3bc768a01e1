"""`gradlet run` on models that do not classify, or have several outputs."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gradlet.ir import files
from gradlet.ir.graph import Graph
from gradlet.tests.small_models import TOOLS, Builder, compiled
from gradlet.tools import cli
from gradlet.tools.calls import CHUNK

SAMPLES = 3 * CHUNK


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    return tmp_path


def _images() -> Graph:
    b = Builder("images", 2, 4, 4, 3)
    return b.done(b.conv(b.x, 3, 3))


def _own_loss() -> Graph:
    b = Builder("own", 2, 4, 4, 3)
    y = b.conv(b.x, 3, 3)
    return b.done(b.emit("mean", b.emit("mul", y, y), axis=(0, 1, 2, 3)))


def _second() -> Graph:
    b = Builder("second", 2, 4, 4, 3)
    features = b.conv(b.x, 7, 3)
    b.emit.loc = "head"
    return b.done(features, b.dense(b.emit("mean", features, axis=(1, 2)), 3))


def _largest_channel(images: np.ndarray) -> np.ndarray:
    return images.mean((2, 3)).argmax(axis=1)


def _trained(folder: Path, graph: Graph, labels: Callable[[np.ndarray], np.ndarray], **differentiate: str) -> dict:
    files.save(compiled(graph, differentiate=differentiate), folder / "p.gradlet", TOOLS.ops)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(SAMPLES, 3, 4, 4)).astype(np.float32)
    np.savez(folder / "data.npz", images=images, labels=labels(images))
    options = ["--data", "data.npz", "--epochs", "4", "--lr", "0.3", "--json", "r.json"]
    assert cli.main(["run", "p.gradlet", "--train", *options]) == 0
    report: dict = json.loads((folder / "r.json").read_text())
    assert report["losses"][-1] < 0.7 * report["losses"][0]
    return report


def test_targets_are_images_in_the_layout_of_pytorch(folder):
    report = _trained(folder, _images(), lambda images: -images, loss="mse")
    assert report["squared_error_after"] < 0.5 * report["squared_error_before"]
    assert report["accuracy_after"] is None


def test_a_model_that_computes_its_loss_needs_no_target(folder):
    report = _trained(folder, _own_loss(), lambda images: np.zeros(SAMPLES), loss="output")
    assert report["squared_error_after"] is None
    assert report["accuracy_after"] is None


def test_accuracy_is_that_of_the_output_that_learns(folder):
    report = _trained(folder, _second(), _largest_channel, prediction="1")
    assert report["accuracy_before"] < 0.4
    assert report["accuracy_after"] > 0.6

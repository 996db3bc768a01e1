"""A model that predicts numbers, not classes, is run and trained over a data set too."""

import json

import numpy as np
import pytest

from gradlet.ir import files
from gradlet.ir.errors import CompileError
from gradlet.tests.small_models import TOOLS, compiled, mlp
from gradlet.tools import cli


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files.save(compiled(mlp(3, 16, 2), differentiate={"loss": "mse"}), tmp_path / "net.gradlet", TOOLS.ops)
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    np.savez(tmp_path / "sums.npz", inputs=x, targets=np.stack([x.sum(axis=1), x[:, 0]], axis=1))
    return tmp_path


def test_a_regressor_learns(folder):
    command = "run net.gradlet --data sums.npz --train --epochs 10 --lr 0.05 --json run.json"
    assert cli.main(command.split()) == 0
    report = json.loads((folder / "run.json").read_text())
    assert report["squared_error_after"] < report["squared_error_before"] / 10
    assert report["accuracy_before"] is None


def test_targets_of_another_shape_are_refused(folder):
    np.savez(folder / "wrong.npz", inputs=np.zeros((10, 3), np.float32), targets=np.zeros((10, 3), np.float32))
    args = cli.parser().parse_args(["run", "net.gradlet", "--data", "wrong.npz"])
    with pytest.raises(CompileError, match=r"GL411.*\[3\].*f32\[4,2\]"):
        args.main(args)

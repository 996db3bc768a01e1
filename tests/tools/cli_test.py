"""The command line: what it writes, what it prints, and how it fails."""

import json
from pathlib import Path

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
from gradlet.tools import cli
from gradlet.tools.compile import EXAMPLE
from gradlet.tools.paths import parse_bytes

DIGITS = str(EXAMPLE)
HOST = ["--target", "x86_64", "--backend", "reference"]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where the user calls from: Bazel starts programs elsewhere."""
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    return tmp_path


def test_the_report_has_what_its_page_lists(folder):
    assert cli.main(["compile", DIGITS, "--out", "built", "--emulate"]) == 0
    report = json.loads((folder / "built" / "report.json").read_text())
    page = (Path(__file__).parents[2] / "docs" / "report.md").read_text()
    assert report["schema"] == 1
    assert all(f"`{key}" in page for key in report)
    memory = report["memory"]
    for kind in ("sram_total", "arena", "arena_lower_bound", "state", "static", "stack"):
        assert isinstance(memory[kind], int), kind
    assert memory["flash_total"] == memory["flash_weights"] + memory["flash_code"]
    assert memory["arena"] >= memory["arena_lower_bound"] > 0
    assert 0 < report["instructions"]["forward"] < report["instructions"]["train_step"]
    # Counted by hand: 8x8x8x9, 4x4x16x72, 2x2x32x144 and 32x10.
    assert report["macs"]["forward"] == 4608 + 18432 + 18432 + 320
    assert [n["index"] for n in report["nodes"]] == list(range(len(report["nodes"])))
    written = {"digits.c", "digits.h", "digits.gradlet", "digits.svg", "digits_infer.svg", "report.json"}
    assert {p.name for p in (folder / "built").iterdir()} == written


def test_a_compiled_program_is_shown_converted_and_trained(folder, capsys):
    assert cli.main(["compile", DIGITS, *HOST, "--out", "built"]) == 0
    capsys.readouterr()
    assert cli.main(["show", "built/digits.gradlet"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("step digits(%x: Tensor[(1, 8, 8, 1), float32]")
    assert cli.main(["show", "built/digits.gradlet", "--to", "digits.textproto"]) == 0
    capsys.readouterr()
    assert cli.main(["show", "digits.textproto"]) == 0
    assert capsys.readouterr().out == shown
    assert cli.main(["show", "digits.textproto", "--graph", "infer"]) == 0
    assert "backward" not in capsys.readouterr().out

    train = [
        "--train",
        "--epochs",
        "0.2",
        "--lr",
        "0.02",
        "--out",
        "learnt.gradlet",
        "--json",
        "run.json",
        "--csv",
        "l.csv",
    ]
    assert cli.main(["run", "built/digits.gradlet", "--data", "digits:1", "--backend", "tinyengine", *train]) == 0
    run = json.loads((folder / "run.json").read_text())
    assert run["accuracy_after"] > run["accuracy_before"] + 0.2
    assert len(run["losses"]) == run["steps"] == 287
    lines = (folder / "l.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in lines] == [["epoch", "step"], ["1", "287"]]
    assert cli.main(["run", "learnt.gradlet", "--data", "digits:1", "--json", "again.json"]) == 0
    assert json.loads((folder / "again.json").read_text())["accuracy_before"] == run["accuracy_after"]


def test_the_same_run_takes_the_same_steps(folder):
    cli.main(["compile", DIGITS, *HOST, "--out", "built"])
    for name in ("a", "b"):
        run = ["--train", "--epochs", "0.02", "--seed", "3", "--csv", f"{name}.csv"]
        assert cli.main(["run", "built/digits.gradlet", "--data", "digits:1", *run]) == 0
    assert (folder / "a.csv").read_text() == (folder / "b.csv").read_text()


def test_passes_can_be_watched(folder):
    assert cli.main(["compile", DIGITS, *HOST, "--dump_dir", "dump", "--check", "--stop_after", "differentiate"]) == 0
    names = sorted(p.name for p in (folder / "dump").iterdir())
    assert names[0] == "00_input.txt"
    assert names[-1].endswith("_differentiate.txt")


def test_a_new_head_has_as_many_classes(folder):
    assert cli.main(["compile", DIGITS, *HOST, "--classes", "4", "--out", "built", "--scheme", "head_only"]) == 0
    report = json.loads((folder / "built" / "report.json").read_text())
    assert {tuple(s["shape"]) for s in report["learns"]["states"]} == {(4, 32), (4,)}


def test_bisect_finds_no_culprit(folder, capsys):
    assert cli.main(["bisect", DIGITS, *HOST]) == 0
    assert "no pass changes the numbers" in capsys.readouterr().out


def test_bisect_names_the_culprit(folder, capsys):
    pipeline = "fold_constants,gradlet_test_shift,dead_code"
    plugin = ["--plugin", "gradlet.tests.tools.shift:PLUGIN"]
    assert cli.main(["bisect", DIGITS, *HOST, "--pipeline", pipeline, *plugin, "--out", "found"]) == 1
    assert "gradlet_test_shift moves logits@0" in capsys.readouterr().out
    assert (folder / "found" / "before.txt").read_text() != (folder / "found" / "after.txt").read_text()


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["compile", "absent.gradlet"], "GL007"),
        (["compile", "model.onnx"], "GL402"),
        (["compile", DIGITS, "--target", "stm32f747"], "GL504"),
        (["compile", DIGITS, "--ram-budget", "12 parsecs"], "GL401"),
        (["compile", DIGITS, "--ram-budget", "20KB"], "GL230"),
        (["compile", DIGITS, "--quantize", "int8"], "GL430"),
        (["compile", DIGITS, "--update", "sgd,adam"], "GL403"),
        (["run", DIGITS, "--data", "absent.npz"], "GL410"),
        (["run", DIGITS, "--data", "digits:half"], "GL410"),
        (["run", DIGITS, "--data", "small.npz"], "GL411"),
        (["run", DIGITS, "--data", "damaged.npz"], "GL410"),
        (["run", DIGITS, "--data", "digits", "--train"], "GL412"),
        (["new_op", "relu"], "GL420"),
        (["new_op", "Relu"], "GL420"),
    ],
)
def test_mistakes_are_told_by_their_code(folder, capsys, command, code):
    np.savez(folder / "small.npz", images=np.zeros((4, 3, 3), np.float32), labels=np.zeros(4, np.int64))
    (folder / "damaged.npz").write_bytes((folder / "small.npz").read_bytes()[:-30])
    before = sorted(folder.iterdir())
    assert cli.main(command) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"error[{code}]: ")
    assert "= help: " in told
    assert sorted(folder.iterdir()) == before


def test_a_rate_that_is_too_high_is_told(folder, capsys):
    cli.main(["compile", DIGITS, *HOST, "--out", "built"])
    run = ["run", "built/digits.gradlet", "--data", "digits:1", "--train", "--lr", "1e6", "--out", "learnt.gradlet"]
    assert cli.main(run) == 1
    assert "GL413" in capsys.readouterr().err
    assert not (folder / "learnt.gradlet").exists()


def test_an_interrupt_leaves_nothing(folder, monkeypatch, capsys):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("gradlet.tools.api.make_report", interrupted)
    assert cli.main(["compile", DIGITS, *HOST, "--out", "built"]) == cli.INTERRUPTED
    assert "interrupted" in capsys.readouterr().err
    assert not (folder / "built").exists()


@pytest.mark.parametrize(("text", "size"), [("131072", 131072), ("128KB", 131072), ("1 MB", 1 << 20), ("3kib", 3072)])
def test_sizes_are_read_as_they_are_written(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "KB", "-1", "1.5KB", "1GBX"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(CompileError, match="GL401"):
        parse_bytes(text)

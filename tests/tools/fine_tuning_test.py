"""Fine-tuning learns, and tells what it did."""

import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gradlet
from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir import files
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType, QuantParams, TensorType
from gradlet.tests.small_models import TOOLS, Builder, compiled, mlp
from gradlet.tests.tools.brightness import BATCH, SAMPLES, SETTINGS, Stopper, bright, program_with, tuned
from gradlet.tools import cli
from gradlet.tools.calls import calls_at_a_time
from gradlet.tools.datasets import as_dataset
from gradlet.tools.evaluation import evaluate
from gradlet.tools.fine_tuning import Callbacks, fine_tune
from gradlet.tools.interrupts import wished_to_stop
from gradlet.tools.settings import Settings
from gradlet.tools.training import feeds
from gradlet.tools.training_log import summary_of


def test_it_learns_and_tells_every_epoch():
    told: list = []
    log, _ = tuned(callbacks=Callbacks(epoch=told.append))
    assert log.before.value < 0.5 < 0.75 < log.after.value
    assert log.complete and log.steps == log.taken == int(2.5 * 66)
    assert told == log.rows and [(r.epoch, r.step) for r in log.rows] == [(1, 66), (2, 132), (3, 165)]
    assert log.rows[0].loss == pytest.approx(np.mean(log.history.losses[:66]))
    assert log.rows[-1].loss < 0.7 * log.rows[0].loss
    assert log.rows[-1].test_accuracy == log.after.value
    assert log.rows[-1].train_accuracy > 0.7
    assert 0 < log.rows[-1].lr < 0.001 < log.rows[0].lr


def test_an_evaluation_counts_every_class():
    program, data = program_with(), bright()
    found = evaluate(ReferenceSession(program, TOOLS), program, data.test)
    confusion, counts = np.array(found.confusion), np.bincount(data.test.targets)
    assert np.array_equal(confusion.sum(axis=1), counts)
    assert found.value == pytest.approx(np.trace(confusion) / len(data.test))
    assert found.per_class == pytest.approx(np.diag(confusion) / counts)
    assert len(data.test) % BATCH, "the last batch is not whole"


@pytest.mark.parametrize(
    ("settings", "rates"),
    [
        (Settings(epochs=4, lr=1.0), [1, 1, 1, 1]),
        (Settings(epochs=4, lr=1.0, decay="linear"), [1, 0.75, 0.5, 0.25]),
        (Settings(epochs=4, lr=1.0, decay="cosine"), [1, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5]),
        (Settings(epochs=4, lr=1.0, warmup=2, decay="linear"), [0.5, 1, 1, 0.5]),
        (Settings(epochs=4, lr=1.0, warmup=4), [0.25, 0.5, 0.75, 1]),
    ],
)
def test_the_rate_rises_and_falls(settings, rates):
    assert [settings.rate(step, 4) for step in range(4)] == pytest.approx(rates)


def test_each_epoch_takes_whole_batches_in_an_order_of_its_own():
    program, data = compiled(mlp(1, 4, 3)), as_dataset({"x": np.arange(50.0)[:, None], "y": np.arange(50) % 3})
    settings = Settings(epochs=3, seed=1)
    taken = np.concatenate([f["x"].reshape(-1) for f in feeds(program, data.train, settings)])
    assert len(data.train) == 41 and len(taken) == 3 * 40
    epochs = [set(epoch) for epoch in taken.reshape(3, 40)]
    assert all(len(epoch) == 40 and epoch < set(data.train.inputs[:, 0]) for epoch in epochs)
    assert len({tuple(epoch) for epoch in taken.reshape(3, 40)}) == 3
    assert set.union(*epochs) == set(data.train.inputs[:, 0]), "not always the same one is left out"
    rest = np.concatenate([f["x"].reshape(-1) for f in feeds(program, data.train, settings, first=13)])
    assert np.array_equal(rest, taken[13 * BATCH :])


def test_half_of_the_images_are_mirrored_anew_in_each_epoch():
    program, data = program_with(), bright()
    plain, mirrored = (
        [
            np.concatenate(
                [f["x"].reshape(-1, 4, 4, 3) for f in feeds(program, data.train, replace(SETTINGS, flip=flip))]
            )
        ]
        for flip in (False, True)
    )
    kept = (plain[0] == mirrored[0]).all(axis=(1, 2, 3))
    assert np.array_equal(mirrored[0][~kept], plain[0][~kept][:, :, ::-1])
    epoch = SAMPLES * 4 // 5 // BATCH * BATCH
    assert 0.4 < kept.mean() < 0.6
    assert not np.array_equal(kept[:epoch], kept[epoch : 2 * epoch])
    assert np.array_equal(data.train.inputs, bright().train.inputs), "the samples themselves are not touched"


def test_only_images_are_mirrored():
    program = compiled(mlp(4, 8, 3))
    data = as_dataset({"x": np.ones((20, 4), np.float32), "y": np.arange(20) % 3})
    with pytest.raises(CompileError, match=r"GL411.*no images to be mirrored"):
        fine_tune(ReferenceSession(program, TOOLS), program, data, Settings(flip=True))


@pytest.mark.parametrize("epochs", [1.0, 2.0, 2.5, 4.0])
@pytest.mark.parametrize("every", [0, 1, 2, 3])
def test_every_bar_ends_where_it_said(tmp_path, epochs, every):
    settings, file = Settings(epochs=epochs, evaluate_every=every), tmp_path / "run.ckpt"
    for stop in (Stopper(3), Stopper(1000)):
        done: dict[str, int] = {}
        totals: dict[str, int] = {}

        def bar(name: str, total: int, done: dict[str, int] = done, totals: dict[str, int] = totals):
            assert name not in totals
            totals[name], done[name] = total, 0
            return lambda count: done.update({name: done[name] + count})

        log, _ = tuned(settings, callbacks=Callbacks(bar, stopped=stop), kept_at=file)
        if log.complete:
            assert done == totals
    assert set(log.tests) == {log.steps} | {e * 66 for e in range(1, int(epochs) + 1) if every and e % every == 0}


def int8_net() -> Graph:
    b = Builder("quantised", BATCH, 4, 4, 3)
    x = b.graph.inputs[0]
    x.type = TensorType(DType.I8, x.type.shape, QuantParams((1 / 127.5,), (0,)))
    b.emit.loc = "head"
    real = b.emit("dequantize", x, scale=1 / 127.5, zero_point=0)
    return b.done(b.dense(b.emit("mean", real, axis=(1, 2)), 3))


@pytest.mark.parametrize("backend", ["tinyengine", "reference"])
def test_an_int8_program_learns_from_pixels(backend):
    made = gradlet.compile(Program(int8_net()), target="x86_64", backend=backend)
    images = np.random.default_rng(0).integers(0, 256, (SAMPLES, 9, 12, 3), np.uint8)
    images[np.arange(SAMPLES), ..., np.arange(SAMPLES) % 3] |= 128
    session = made.open()
    log = gradlet.train(made, session, {"images": images, "labels": np.arange(SAMPLES) % 3}, epochs=4, lr=2.0)
    session.close()
    assert log.before.value < 0.6 and log.after.value > 0.9


def test_one_class_alone_is_refused():
    program = program_with()
    data = as_dataset({"images": np.zeros((20, 4, 4, 3), np.float32), "labels": np.ones(20, np.int32)})
    with pytest.raises(CompileError, match=r"GL411.*all 16 samples to train on are of one class"):
        fine_tune(ReferenceSession(program, TOOLS), program, data, SETTINGS)


def test_large_inputs_come_in_small_chunks():
    assert calls_at_a_time(100) == 32
    assert calls_at_a_time(12 << 20) == 2
    assert calls_at_a_time(1 << 30) == 1


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    files.save(program_with(), tmp_path / "net.gradlet", TOOLS.ops)
    data = bright()
    images = np.clip(data.train.inputs * 40 + 128, 0, 255).astype(np.uint8)
    np.savez(tmp_path / "data.npz", images=images, labels=data.train.targets, classes=np.array(["r", "g", "b"]))
    return tmp_path


RUN = ["run", "net.gradlet", "--data", "data.npz", "--train", "--lr", "0.5", "--epochs", "3"]


def test_the_command_writes_log_and_curves(folder, capsys):
    files_ = ["--csv", "log.csv", "--json", "log.json", "--png", "curves.png", "--out", "learnt.gradlet"]
    assert cli.main([*RUN, "--warmup", "1", "--decay", "linear", "--evaluate-every", "2", *files_]) == 0
    header, *rows = (folder / "log.csv").read_text().splitlines()
    assert header == "epoch,step,lr,loss,train_accuracy,test_accuracy,test_squared_error"
    assert [bool(row.split(",")[5]) for row in rows] == [False, True, True]
    report = json.loads((folder / "log.json").read_text())
    assert report["classes"] == ["r", "g", "b"] and report["complete"] and len(report["losses"]) == report["steps"]
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG") and (folder / "learnt.gradlet").exists()
    shown = capsys.readouterr().out
    assert "epoch 3: loss" in shown and "accuracy after: " in shown and "by class: r " in shown


def test_ctrl_c_keeps_the_run(folder, capsys, monkeypatch):
    kept = ["--checkpoint", "run.ckpt"]
    assert cli.main([*RUN, "--csv", "whole.csv"]) == 0

    presses, step = [signal.SIGINT], ReferenceSession.train_step

    def pressed(session, inputs):
        if presses:
            signal.raise_signal(presses.pop())
        return step(session, inputs)

    monkeypatch.setattr(ReferenceSession, "train_step", pressed)
    handler = signal.getsignal(signal.SIGINT)
    assert cli.main([*RUN, *kept, "--out", "learnt.gradlet"]) == cli.INTERRUPTED
    assert signal.getsignal(signal.SIGINT) is handler
    assert "the same command goes on from run.ckpt" in capsys.readouterr().err
    assert not (folder / "learnt.gradlet").exists()
    assert cli.main([*RUN, *kept, "--csv", "resumed.csv", "--out", "learnt.gradlet"]) == 0
    assert (folder / "resumed.csv").read_text() == (folder / "whole.csv").read_text()
    assert (folder / "learnt.gradlet").exists()


def test_a_second_ctrl_c_ends_at_once():
    told: list[int] = []
    with pytest.raises(KeyboardInterrupt), wished_to_stop(lambda: told.append(1)) as stopped:
        assert not stopped()
        signal.raise_signal(signal.SIGINT)
        assert stopped() and told == [1]
        signal.raise_signal(signal.SIGINT)


def test_curves_without_matplotlib_are_refused_before_anything_runs(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert cli.main([*RUN, "--png", "curves.png"]) == 1
    told = capsys.readouterr().err
    assert "GL416" in told and "gradlet[data]" in told


def test_a_summary_has_the_evaluations_in_all():
    log, _ = tuned()
    summary = summary_of(log)
    assert summary["accuracy_after"] == log.after.value == summary["after"]["value"]
    assert [row["step"] for row in summary["epochs"]] == [66, 132, 165]
    assert len(summary["before"]["confusion"]) == 3

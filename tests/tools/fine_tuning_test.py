"""Fine-tuning learns, can be interrupted and resumed without a trace, and tells what it did."""

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
from gradlet.ir.options import parse_calls
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType, QuantParams, TensorType
from gradlet.tests.small_models import TOOLS, Builder, compiled, mlp
from gradlet.tools import checkpoint, cli, fine_tuning
from gradlet.tools.calls import calls_at_a_time
from gradlet.tools.datasets import Dataset, as_dataset
from gradlet.tools.evaluation import evaluate
from gradlet.tools.fine_tuning import Callbacks, fine_tune
from gradlet.tools.interrupts import wished_to_stop
from gradlet.tools.settings import Settings
from gradlet.tools.training import feeds
from gradlet.tools.training_log import Log, csv_of, summary_of

SAMPLES, BATCH = 330, 4
PLACES = [("reference", "x86_64"), ("tinyengine", "x86_64"), ("tinyengine", "stm32f746"), ("tvm", "x86_64")]
SETTINGS = Settings(epochs=2.5, lr=0.1, warmup=0.5, decay="cosine", seed=3)


def images_net() -> Graph:
    b = Builder("images", BATCH, 4, 4, 3)
    b.emit.loc = "body"
    x = b.emit("relu", b.conv(b.x, 6, 3))
    b.emit.loc = "head"
    return b.done(b.dense(b.emit("mean", x, axis=(1, 2)), 3))


def program_with(update: str = "sgd") -> Program:
    return compiled(images_net(), differentiate={"update": parse_calls(update)[0]})


def bright(seed: int = 0) -> Dataset:
    """Which channel is brightest."""
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(SAMPLES, 4, 4, 3)).astype(np.float32)
    return as_dataset({"images": images, "labels": images.mean((1, 2)).argmax(axis=1)})


def tuned(
    settings: Settings = SETTINGS, program: Program | None = None, **options
) -> tuple[Log, dict[str, np.ndarray]]:
    program = program or program_with()
    session = ReferenceSession(program, TOOLS)
    return fine_tune(session, program, bright(), settings, **options), session.states()


def same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> bool:
    return found.keys() == expected.keys() and all(np.array_equal(found[n], expected[n]) for n in expected)


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


class Stopper:
    """Wishes to stop after so many looks."""

    def __init__(self, looks: int):
        self.left = looks

    def __call__(self) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.mark.parametrize("update", ["sgd", "momentum{momentum=0.9,every=3}", "adam"])
def test_a_run_that_was_interrupted_ends_in_the_same_bits(tmp_path, update):
    settings, program, file = replace(SETTINGS, flip=True), program_with(update), tmp_path / "run.ckpt"
    whole, states = tuned(settings, program)
    for looks in (1, 2, 1):  # within the first epoch, then at and after its end
        log, _ = tuned(settings, program, kept_at=file, callbacks=Callbacks(stopped=Stopper(looks)))
        assert not log.complete and not log.after
    assert log.taken not in (0, 66, 132)
    resumed, found = tuned(settings, program, kept_at=file)
    assert same(found, states)
    assert resumed == whole
    assert csv_of(resumed) == csv_of(whole)


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


@pytest.mark.parametrize(("backend", "target"), PLACES)
def test_a_run_moves_between_sessions_of_a_backend(tmp_path, backend, target):
    made = gradlet.compile(Program(images_net()), target=target, backend=backend, update="momentum{momentum=0.9}")
    found = []
    for stops in ([], [2], [1, 3]):
        file = tmp_path / f"{len(stops)}.ckpt"
        for looks in [*stops, 1000]:
            session = made.open()
            stopped = Callbacks(stopped=Stopper(looks))
            log = gradlet.train(made, session, bright(), checkpoint=file, callbacks=stopped, epochs=2, lr=0.05)
            states = session.states()
            session.close()
        assert log.complete
        found.append((log, states))
    assert all(same(states, found[0][1]) and log == found[0][0] for log, states in found)


def test_a_complete_run_takes_no_more_steps(tmp_path):
    first, states = tuned(kept_at=tmp_path / "run.ckpt")
    program = program_with()
    session = ReferenceSession(program, TOOLS)
    session.train_step = session.infer = None
    again = fine_tune(session, program, bright(), SETTINGS, kept_at=tmp_path / "run.ckpt")
    assert again == first and same(session.states(), states)


def test_checkpoints_are_written_in_long_epochs_too(tmp_path, monkeypatch):
    monkeypatch.setattr(fine_tuning, "SECONDS", -1.0)
    written: list[int] = []
    monkeypatch.setattr(checkpoint, "save", lambda found, program, path: written.append(len(found.history.losses)))
    tuned(kept_at=tmp_path / "run.ckpt")
    assert len(written) > 2 * 2 and written == sorted(written) and written[-1] == 165


def test_a_crash_leaves_the_checkpoint_before_it(tmp_path, monkeypatch):
    file, write = tmp_path / "run.ckpt", Path.write_bytes

    def fails(path: Path, data: bytes) -> int:
        write(path, data[:100])
        raise OSError(28, "No space left on device")

    tuned(kept_at=file, callbacks=Callbacks(stopped=Stopper(1)))
    before = file.read_bytes()
    monkeypatch.setattr(Path, "write_bytes", fails)
    with pytest.raises(CompileError, match=r"GL007(.|\n)*No space left"):
        tuned(kept_at=file)
    assert file.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.ckpt"], "nothing half-written is left"


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> bytes:
    file = tmp_path_factory.mktemp("kept") / "run.ckpt"
    tuned(kept_at=file, callbacks=Callbacks(stopped=Stopper(1)))
    return file.read_bytes()


def test_a_damaged_checkpoint_is_always_refused(tmp_path, kept):
    program, file, rng = program_with(), tmp_path / "run.ckpt", np.random.default_rng(0)
    damaged = [kept[:length] for length in [0, 5, 8, 12, 15, 16, len(kept) - 1, *rng.integers(0, len(kept), 50)]]
    for place in [*range(20), *rng.integers(0, len(kept), 200)]:
        flipped = bytearray(kept)
        flipped[place] ^= 1 << rng.integers(8)
        damaged.append(bytes(flipped))
    for data in [*damaged, kept + b"\0", b"PK\3\4" + kept]:
        file.write_bytes(data)
        with pytest.raises(CompileError) as caught:
            checkpoint.load(file, program, {})
        assert caught.value.code == "GL414" and caught.value.where == str(file)


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(CompileError, match="GL414"):
        tuned(kept_at=tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": replace(SETTINGS, lr=0.2)}, "lr 0.1 there, 0.2 here"),
        ({"settings": replace(SETTINGS, epochs=9.0)}, "epochs 2.5 there, 9.0 here"),
        ({"program": program_with("adam")}, "program images"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused(tmp_path, kept, change, message):
    file = tmp_path / "run.ckpt"
    file.write_bytes(kept)
    program, settings = change.get("program") or program_with(), change.get("settings", SETTINGS)
    with pytest.raises(CompileError, match=message) as caught:
        fine_tune(ReferenceSession(program, TOOLS), program, bright(), settings, kept_at=file)
    assert caught.value.code == "GL415"
    assert file.read_bytes() == kept


def test_the_checkpoint_of_other_samples_is_refused(tmp_path, kept):
    (tmp_path / "run.ckpt").write_bytes(kept)
    program = program_with()
    with pytest.raises(CompileError, match=r"GL415.*data set"):
        fine_tune(ReferenceSession(program, TOOLS), program, bright(seed=1), SETTINGS, kept_at=tmp_path / "run.ckpt")


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

"""A training that was interrupted goes on without a trace; a file that is not its checkpoint is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gradlet
from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir.errors import CompileError
from gradlet.ir.program import Program
from gradlet.optimizers.compilation import replan
from gradlet.tests.small_models import TOOLS
from gradlet.tests.tools.brightness import SETTINGS, Stopper, bright, images_net, program_with, tuned
from gradlet.tools import checkpoint, fine_tuning
from gradlet.tools.api import context_of
from gradlet.tools.fine_tuning import Callbacks, fine_tune
from gradlet.tools.training_log import csv_of

PLACES = [("reference", "x86_64"), ("tinyengine", "x86_64"), ("tinyengine", "stm32f746"), ("tvm", "x86_64")]


def same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> bool:
    return found.keys() == expected.keys() and all(np.array_equal(found[n], expected[n]) for n in expected)


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


def test_a_run_moves_to_another_backend(tmp_path):
    made, file = gradlet.compile(Program(images_net()), target="x86_64", backend="reference"), tmp_path / "run.ckpt"
    whole = gradlet.train(made, made.open(), bright(), epochs=2, lr=0.05)
    gradlet.train(
        made, made.open(), bright(), checkpoint=file, callbacks=Callbacks(stopped=Stopper(2)), epochs=2, lr=0.05
    )
    other = replace(made, backend=TOOLS.get("backends", "tinyengine"))
    replan(other.program, context_of(TOOLS, other.target, other.backend))
    session = other.open()
    log = gradlet.train(other, session, bright(), checkpoint=file, epochs=2, lr=0.05)
    session.close()
    assert log.before == whole.before and np.allclose(log.history.losses, whole.history.losses, atol=1e-4)


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

"""Fine-tunes a program on a data set: evaluates before, trains, keeps checkpoints, evaluates after."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gradlet.ir.backend import Session
from gradlet.ir.program import Program
from gradlet.tools import checkpoint as checkpoints
from gradlet.tools.api import Compiled
from gradlet.tools.checkpoint import Checkpoint
from gradlet.tools.data_checks import check_dataset
from gradlet.tools.datasets import Dataset, as_dataset, in_order, load_dataset
from gradlet.tools.evaluation import Evaluation, Progress, batch_size, class_names, evaluate
from gradlet.tools.preprocessing import DEFAULT, Preprocessing, prepare
from gradlet.tools.settings import Settings
from gradlet.tools.training import check_trains, steps_an_epoch, steps_of, train_on
from gradlet.tools.training_log import Log, Row

# A checkpoint is written at the end of each epoch, and when the last is so many seconds old.
SECONDS = 60.0


@dataclass(frozen=True)
class Callbacks:
    """What is told while it goes on.

    Attributes:
        bar: Begins a part of the work (description, count of things); what it returns is called with how many are done.
        epoch: Called with each row of the log.
        stopped: Asked after every few steps: whether to write a checkpoint and end.
    """

    bar: Callable[[str, int], Progress] = lambda description, total: lambda count: None
    epoch: Callable[[Row], None] = lambda row: None
    stopped: Callable[[], bool] = lambda: False


def fine_tune(
    session: Session,
    program: Program,
    data: Dataset,
    settings: Settings,
    callbacks: Callbacks | None = None,
    *,
    preprocessing: Preprocessing = DEFAULT,
    kept_at: Path | None = None,
) -> Log:
    """Trains a session, which has then the states of the last step.

    Args:
        session: Where it runs, in the state in which it was opened.
        program: What runs there; both splits are fitted to its input first.
        data: What to learn, and what to be judged by.
        settings: How long and how fast.
        callbacks: Who wants to know.
        preprocessing: Of images.
        kept_at: Where the checkpoint is kept. If there is one, the training goes on from there, and ends in the same
            states, bit by bit, as one without a break. The same run again, once it is complete, takes no more steps.

    Returns:
        The log; not `complete` if `callbacks.stopped` ended it.

    Raises:
        CompileError: GL41x if the data does not suit, the checkpoint is another run's, or the loss is not finite.
    """
    told = callbacks or Callbacks()
    if settings.epochs:
        check_trains(program)
    check_dataset(data, program, trains=settings.epochs > 0)
    count = len(data.train) + len(data.test)
    fitted = prepare(data, program, preprocessing, told.bar("images", count) if has_pictures(data) else lambda n: None)
    run = _Run(session, program, fitted, settings, told, kept_at)
    run.resume()
    run.train()
    return run.log


def has_pictures(data: Dataset) -> bool:
    """Whether there is something to read and resize that is worth a bar."""
    return data.train.inputs.dtype == object


def train(
    compiled: Compiled,
    session: Session,
    data: Any,
    *,
    callbacks: Callbacks | None = None,
    preprocessing: Preprocessing = DEFAULT,
    checkpoint: str | Path | None = None,
    **settings: Any,
) -> Log:
    """`fine_tune` for what `gradlet.compile` returned; exported as `gradlet.train`.

    Args:
        compiled: The program.
        session: What `compiled.open()` returned.
        data: As `--data` names it, or a `Dataset`, a mapping of arrays, or pairs (sample, target).
        callbacks: Who wants to know.
        preprocessing: Of images.
        checkpoint: Where the run is kept; if the file exists, it goes on from there.
        **settings: Fields of `Settings`.
    """
    given = load_dataset(data) if isinstance(data, str) else as_dataset(data)
    known = in_order(given, class_names(compiled.program))
    kept_at = Path(checkpoint) if checkpoint else None
    chosen = Settings(**settings)
    return fine_tune(session, compiled.program, known, chosen, callbacks, preprocessing=preprocessing, kept_at=kept_at)


class _Run:
    """A training, the session that it changes, and its file."""

    def __init__(
        self,
        session: Session,
        program: Program,
        data: Dataset,
        settings: Settings,
        told: Callbacks,
        path: Path | None,
    ):
        self.session, self.program, self.data, self.told, self.path = session, program, data, told, path
        self.identity = checkpoints.identify(program, data, _choices(settings)) if path else {}
        epoch, steps = steps_an_epoch(program, data.train), steps_of(program, data.train, settings)
        self.log = Log(settings, epoch, steps, batch_size(program.graph))
        self.tested: Progress | None = None  # one bar for all epochs

    def resume(self) -> None:
        if self.path and self.path.exists():
            found = checkpoints.load(self.path, self.program, self.identity)
            self.session.set_states(found.states)
            self.log.resume(found.history, found.progress)
        else:
            self.log.before = self._evaluate("before training")

    def train(self) -> None:
        log, saved = self.log, time.monotonic()
        if log.complete:
            return
        shown = self.told.bar("training", log.steps)
        shown(log.taken)
        for count in train_on(self.session, self.program, self.data.train, log.settings, log.history):
            shown(count)
            ended = log.complete or log.taken % log.epoch_steps == 0
            if ended:
                self._end_epoch()
            stopped = self.told.stopped()
            if ended or stopped or time.monotonic() - saved > SECONDS:
                self._save()
                saved = time.monotonic()
            if stopped:
                return

    def _end_epoch(self) -> None:
        log, every = self.log, self.log.settings.evaluate_every
        number = -(-log.taken // log.epoch_steps)
        if log.complete:
            log.after = self._evaluate("after training")
            if log.after:
                log.tests[log.taken] = log.after.value
        elif every and number % every == 0:
            self.tested = self.tested or self.told.bar("between epochs", self._tests_to_come() * len(self.data.test))
            if found := evaluate(self.session, self.program, self.data.test, self.tested):
                log.tests[log.taken] = found.value
        self.told.epoch(log.rows[-1])

    def _tests_to_come(self) -> int:
        """Evaluations from the present epoch on, that after the last one left out."""
        log, every = self.log, self.log.settings.evaluate_every
        return (-(-log.steps // log.epoch_steps) - 1) // every - (log.taken // log.epoch_steps) // every + 1

    def _evaluate(self, when: str) -> Evaluation | None:
        return evaluate(self.session, self.program, self.data.test, self.told.bar(when, len(self.data.test)))

    def _save(self) -> None:
        if self.path:
            log = self.log
            found = Checkpoint(self.identity, self.session.states(), log.history, log.progress)
            checkpoints.save(found, self.program, self.path)


def _choices(settings: Settings) -> dict[str, Any]:
    return {name.replace("_", " "): value for name, value in asdict(settings).items()}

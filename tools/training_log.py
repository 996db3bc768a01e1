"""What a training showed: a row for each epoch, and the predictions before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from gradlet.tools.evaluation import Evaluation
from gradlet.tools.settings import Settings
from gradlet.tools.training import History

COLUMNS = ("epoch", "step", "lr", "loss", "train_accuracy", "test_accuracy", "test_squared_error")


@dataclass(frozen=True)
class Row:
    """An epoch, or what there was of the last one.

    Attributes:
        epoch: Counted from 1.
        step: Steps taken at its end.
        lr: Of its last step.
        loss: Mean over its steps, each before its update.
        train_accuracy: The same; None where a step returns no prediction of classes.
        test_accuracy: At its end; None where it was not measured, as `test_squared_error`.
    """

    epoch: int
    step: int
    lr: float
    loss: float
    train_accuracy: float | None
    test_accuracy: float | None
    test_squared_error: float | None


@dataclass
class Log:
    """A training as it goes on.

    Attributes:
        epoch_steps: Steps of an epoch.
        steps: Of the whole training; the history is shorter if it was stopped.
        batch: Samples of a step.
        before: Of the test samples, before the first step.
        tests: The same measure after so many steps.
        after: After the last step.
    """

    settings: Settings
    epoch_steps: int
    steps: int
    batch: int
    history: History = field(default_factory=History)
    before: Evaluation | None = None
    tests: dict[int, float] = field(default_factory=dict)
    after: Evaluation | None = None

    @property
    def taken(self) -> int:
        return len(self.history.losses)

    @property
    def complete(self) -> bool:
        return self.taken == self.steps

    @property
    def rows(self) -> list[Row]:
        ends = list(range(self.epoch_steps, self.taken + 1, self.epoch_steps)) if self.epoch_steps else []
        if self.complete and self.taken and (not ends or ends[-1] < self.taken):
            ends.append(self.taken)
        return [self._row(number, end) for number, end in enumerate(ends, 1)]

    def _row(self, number: int, end: int) -> Row:
        begin, hits = (number - 1) * self.epoch_steps, self.history.hits
        right = float(np.sum(hits[begin:end]) / (self.batch * (end - begin))) if hits else None
        kind, test = self.before.kind if self.before else "", self.tests.get(end)
        tests = [test if f"test_{kind}" == column else None for column in COLUMNS[-2:]]
        loss = float(np.mean(self.history.losses[begin:end]))
        return Row(number, end, self.settings.rate(end - 1, self.steps), loss, right, *tests)

    @property
    def progress(self) -> dict[str, Any]:
        """The evaluations, as JSON has them; `History` is kept beside."""
        return {
            "before": asdict(self.before) if self.before else None,
            "tests": sorted(self.tests.items()),
            "after": asdict(self.after) if self.after else None,
        }

    def resume(self, history: History, progress: Mapping[str, Any]) -> None:
        """Goes on where a checkpoint was written."""
        self.history, self.tests = history, {int(step): value for step, value in progress["tests"]}
        self.before = Evaluation.read(progress["before"]) if progress["before"] else None
        self.after = Evaluation.read(progress["after"]) if progress["after"] else None


def csv_of(log: Log) -> str:
    """A line for each epoch, below the names of the columns; what was not measured is empty."""
    return "".join(",".join(line) + "\n" for line in _lines(log))


def _lines(log: Log) -> Iterator[list[str]]:
    yield list(COLUMNS)
    for row in log.rows:
        values = [getattr(row, column) for column in COLUMNS]
        yield ["" if v is None else f"{v:.9g}" if isinstance(v, float) else str(v) for v in values]


def summary_of(log: Log) -> dict[str, Any]:
    """As JSON: `epochs`, the evaluations, and the loss of every step."""
    found: dict[str, Any] = {"steps": log.taken, "complete": log.complete, "settings": asdict(log.settings)}
    for kind in ("accuracy", "squared_error"):
        for when, evaluation in (("before", log.before), ("after", log.after)):
            found[f"{kind}_{when}"] = evaluation.value if evaluation and evaluation.kind == kind else None
    found |= {"epochs": [asdict(row) for row in log.rows]}
    found |= {when: log.progress[when] for when in ("before", "after")}
    return found | {"losses": log.history.losses}

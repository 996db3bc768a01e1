"""Runs a program over samples: accuracy before and after, and the training between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from gradlet.ir.backend import Session
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph
from gradlet.ir.program import Program
from gradlet.tools.datasets import Split, batches, fit

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        lr: Highest learning rate.
        warmup: Share of the steps during which it rises from 0; afterwards it falls linearly to 0 if `decay`.
    """

    epochs: float = 1.0
    lr: float = 0.01
    warmup: float = 0.0
    decay: bool = False
    seed: int = 0

    def rate(self, step: int, steps: int) -> float:
        if step < self.warmup * steps:
            return self.lr * (step + 1) / (self.warmup * steps)
        return self.lr * (steps - step) / (steps * (1 - self.warmup)) if self.decay else self.lr


@dataclass
class History:
    """Loss of every step."""

    losses: list[float] = field(default_factory=list)


def input_name(graph: Graph) -> str:
    return next(v.name for v in graph.inputs if v.type.shape and v.name not in ("label", "target"))


def batch_size(graph: Graph) -> int:
    return next(v.type.shape[0] for v in graph.inputs if v.name == input_name(graph))


def predict(session: Session, program: Program, inputs: np.ndarray, progress: Progress = lambda n: None) -> np.ndarray:
    """The first prediction for every sample, in the IR's layout."""
    graph = program.infer or program.graph
    size, name, rows = batch_size(graph), input_name(graph), []
    for start in range(0, len(inputs), size):
        batch = inputs[start : start + size]
        filled = np.concatenate([batch, np.repeat(batch[-1:], size - len(batch), axis=0)])
        outputs = session.infer({name: filled})
        rows.append(outputs[graph.outputs[0].name][: len(batch)])
        progress(len(batch))
    return np.concatenate(rows)


def accuracy(session: Session, program: Program, split: Split, progress: Progress = lambda n: None) -> float:
    """Share of samples whose largest prediction is that of their class."""
    fitted = fit(split, program.infer or program.graph)
    found = predict(session, program, fitted.inputs, progress)
    return float(np.mean(found.reshape(len(found), -1).argmax(axis=1) == split.targets))


def steps_of(program: Program, split: Split, schedule: Schedule) -> int:
    return int(schedule.epochs * (len(split) // batch_size(program.graph)))


def train(
    session: Session, program: Program, split: Split, schedule: Schedule, progress: Progress = lambda n: None
) -> History:
    """Trains for so many epochs; every sample once an epoch, in an order that the seed decides.

    Raises:
        CompileError: GL412 if the program does not train, GL413 if the loss is no longer finite.
    """
    if not program.trains:
        hint = "compile it with a scheme"
        raise CompileError("GL412", f"{program.name} is an inference: it does not train", hint=hint)
    fitted, steps, history = fit(split, program.graph), steps_of(program, split, schedule), History()
    target = next(v.name for v in program.graph.inputs if v.name in ("label", "target"))
    loss, name = program.graph.outputs[0].name, input_name(program.graph)
    rng = np.random.default_rng(schedule.seed)
    while len(history.losses) < steps:
        for chosen in batches(len(fitted), batch_size(program.graph), rng):
            lr = np.float32(schedule.rate(len(history.losses), steps))
            feed = {name: fitted.inputs[chosen], target: fitted.targets[chosen], "lr": np.asarray(lr)}
            history.losses.append(float(session.train_step(feed)[loss]))
            if not np.isfinite(history.losses[-1]):
                what = f"the loss is {history.losses[-1]} after {len(history.losses)} steps"
                raise CompileError("GL413", what, hint=f"choose a lower learning rate than {schedule.lr}")
            progress(1)
            if len(history.losses) == steps:
                break
    return history

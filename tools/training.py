"""Runs a program over samples: accuracy before and after, and the training between."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradlet.ir.backend import Session
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph
from gradlet.ir.program import Program
from gradlet.tools.datasets import Split, batches, fit, laid_out

Progress = Callable[[int], None]
Feed = Mapping[str, np.ndarray]
# Inputs that a loss adds: all others are the model's.
TARGETS = ("label", "target")
# Calls between two signs of progress.
CHUNK = 32


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

    def __post_init__(self) -> None:
        ranges = {"epochs": (self.epochs, math.inf), "lr": (self.lr, math.inf), "warmup": (self.warmup, 1.0)}
        for name, (value, high) in ranges.items():
            if not (math.isfinite(value) and 0 <= value <= high):
                end = "" if high == math.inf else f", at most {high}"
                raise CompileError("GL212", f"{name} is {value}", hint=f"give a number from 0 on{end}")

    def rate(self, step: int, steps: int) -> float:
        if step < self.warmup * steps:
            return self.lr * (step + 1) / (self.warmup * steps)
        return self.lr * (steps - step) / (steps * (1 - self.warmup)) if self.decay else self.lr


@dataclass
class History:
    """Loss of every step."""

    losses: list[float] = field(default_factory=list)


def input_name(graph: Graph) -> str:
    return next(v.name for v in graph.inputs if v.type.shape and v.name not in TARGETS)


def batch_size(graph: Graph) -> int:
    return next(v.type.shape[0] for v in graph.inputs if v.name == input_name(graph))


def predict(session: Session, program: Program, inputs: np.ndarray, progress: Progress = lambda n: None) -> np.ndarray:
    """The prediction that the loss is about for every sample, in the IR's layout."""
    graph = program.infer or program.graph
    wanted = graph.outputs[predicted(program)].name
    size, name, rows = batch_size(graph), input_name(graph), []
    padded = np.concatenate([inputs, np.repeat(inputs[-1:], -len(inputs) % size, axis=0)])
    feeds = ({name: padded[start : start + size]} for start in range(0, len(padded), size))
    for chunk in _chunks(feeds):
        rows += [outputs[wanted] for outputs in _infer_all(session, chunk)]
        progress(min(len(chunk) * size, len(inputs)))
    return np.concatenate(rows)[: len(inputs)]


def predicted(program: Program) -> int:
    """Which prediction is compared with a target in the training step; the first where none is."""
    step = program.graph
    compared = [n.inputs[0] for n in step.nodes if any(v.name in TARGETS for v in n.inputs)]
    return next((step.outputs.index(v) - 1 for v in compared if v in step.outputs), 0)


def accuracy(session: Session, program: Program, split: Split, progress: Progress = lambda n: None) -> float:
    """Share of samples whose largest prediction is that of their class."""
    fitted = fit(split, program.infer or program.graph)
    found = predict(session, program, fitted.inputs, progress)
    return float(np.mean(found.reshape(len(found), -1).argmax(axis=1) == split.targets))


def squared_error(session: Session, program: Program, split: Split, progress: Progress = lambda n: None) -> float:
    """Mean squared difference of the predictions and the targets, for a model that does not classify."""
    fitted = fit(split, program.infer or program.graph)
    found = predict(session, program, fitted.inputs, progress)
    targets = laid_out(split.targets, found.shape[1:])
    if targets is None:
        what = f"the predictions have the shape {list(found.shape[1:])}, the targets {list(split.targets.shape[1:])}"
        raise CompileError("GL411", what, hint="give targets like the predictions, or one integer a sample: its class")
    return float(np.mean(np.square(found.astype(np.float64) - targets)))


def steps_of(program: Program, split: Split, schedule: Schedule) -> int:
    return int(schedule.epochs * (len(split) // batch_size(program.graph)))


def train(
    session: Session, program: Program, split: Split, schedule: Schedule, progress: Progress = lambda n: None
) -> History:
    """Trains for so many epochs.

    Raises:
        CompileError: GL412 if the program does not train, GL413 if the loss is no longer finite.
    """
    if not program.trains:
        hint = "compile it with a scheme that lets something learn: gradlet compile"
        raise CompileError("GL412", f"{program.name} is an inference: it does not train", hint=hint)
    fitted, steps, history = fit(split, program.graph), steps_of(program, split, schedule), History()
    loss = program.graph.outputs[0].name
    for chunk in _chunks(_feeds(program.graph, fitted, schedule, steps)):
        losses = [float(outputs[loss]) for outputs in _train_all(session, chunk)]
        history.losses += losses
        if not np.all(np.isfinite(losses)):
            what = f"the loss is no longer finite after {len(history.losses)} steps"
            raise CompileError("GL413", what, hint=f"choose a lower learning rate than {schedule.lr}")
        progress(len(chunk))
    return history


def _feeds(graph: Graph, split: Split, schedule: Schedule, steps: int) -> Iterator[Feed]:
    """The inputs of every step: each sample once an epoch, in an order that the seed decides."""
    names = [v.name for v in graph.inputs if v.name in TARGETS]  # none where the model computes its own loss
    rng = np.random.default_rng(schedule.seed)
    epochs = itertools.chain.from_iterable(batches(len(split), batch_size(graph), rng) for _ in itertools.count())
    for step, chosen in enumerate(itertools.islice(epochs, steps)):
        lr = np.asarray(schedule.rate(step, steps), np.float32)
        targets = dict.fromkeys(names, split.targets[chosen])
        yield {input_name(graph): split.inputs[chosen], **targets, "lr": lr}


def _chunks(feeds: Iterable[Feed]) -> Iterator[Sequence[Feed]]:
    """As they are asked for: all epochs together may be larger than the memory."""
    rest = iter(feeds)
    while chunk := list(itertools.islice(rest, CHUNK)):
        yield chunk


def _infer_all(session: Session, feeds: Sequence[Feed]) -> list[dict[str, np.ndarray]]:
    many = getattr(session, "infer_many", None)
    return _many(many, feeds) if many else [session.infer(feed) for feed in feeds]


def _train_all(session: Session, feeds: Sequence[Feed]) -> list[dict[str, np.ndarray]]:
    many = getattr(session, "train_steps", None)
    return _many(many, feeds) if many else [session.train_step(feed) for feed in feeds]


def _many(call: Callable[[Feed], dict[str, np.ndarray]], feeds: Sequence[Feed]) -> list[dict[str, np.ndarray]]:
    """One request for many calls, where a session has it: a device in another process is far away."""
    results = call({name: np.stack([feed[name] for feed in feeds]) for name in feeds[0]})
    return [{name: array[k] for name, array in results.items()} for k in range(len(feeds))]

"""The steps of a training: which samples each takes, at which rate, and what it returns."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from gradlet.ir.backend import Session
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph
from gradlet.ir.program import Program
from gradlet.tools.calls import Stacked, calls_at_a_time, train_all
from gradlet.tools.datasets import Split
from gradlet.tools.evaluation import Progress, batch_size, input_name, predicted
from gradlet.tools.preprocessing import DEFAULT, TARGETS, completed, fit
from gradlet.tools.settings import Settings


@dataclass
class History:
    """What each step returned.

    Attributes:
        losses: Before its update.
        hits: How many samples of its batch it classified right; empty where the step returns no such prediction.
    """

    losses: list[float] = field(default_factory=list)
    hits: list[int] = field(default_factory=list)


def check_trains(program: Program) -> None:
    if not program.trains:
        hint = "compile it with a scheme that lets something learn: gradlet compile"
        raise CompileError("GL412", f"{program.name} is an inference: it does not train", hint=hint)


def steps_an_epoch(program: Program, split: Split) -> int:
    """Whole batches; what is left over of an epoch, other samples in each, is not trained on."""
    return len(split) // batch_size(program.graph)


def steps_of(program: Program, split: Split, settings: Settings) -> int:
    return int(settings.epochs * steps_an_epoch(program, split))


def train(
    session: Session, program: Program, split: Split, settings: Settings, progress: Progress = lambda n: None
) -> History:
    """Trains for so many epochs, and nothing else; `fine_tune` evaluates and keeps checkpoints too."""
    history = History()
    for count in train_on(session, program, fit(split, program.graph, completed(DEFAULT, program)), settings, history):
        progress(count)
    return history


def train_on(session: Session, program: Program, split: Split, settings: Settings, history: History) -> Iterator[int]:
    """Goes on where a history ends; gives control back after every few steps, with their number.

    Args:
        session: Where the steps run.
        program: What runs there.
        split: Samples, fitted.
        settings: The same for the whole history.
        history: Steps taken; those to come are added.

    Raises:
        CompileError: GL412 if the program does not train, GL413 if the loss is no longer finite.
    """
    check_trains(program)
    wanted = [program.graph.outputs[0].name]
    scores = _scores(program, split)
    wanted += [scores] if scores else []
    for feed in feeds(program, split, settings, len(history.losses)):
        found = train_all(session, feed, wanted)
        losses = found[wanted[0]].reshape(-1)
        history.losses += map(float, losses)
        if scores:
            history.hits += map(int, _right(found[scores], feed))
        if not np.all(np.isfinite(losses)):
            what = f"the loss is no longer finite after {len(history.losses)} steps"
            raise CompileError("GL413", what, hint=f"choose a lower learning rate than {settings.lr}")
        yield len(losses)


def _scores(program: Program, split: Split) -> str | None:
    """The output of a step that holds a prediction for each class, if it has one."""
    graph, index = program.graph, 1 + predicted(program)
    labelled = any(v.name == TARGETS[0] for v in graph.inputs)
    return graph.outputs[index].name if labelled and split.has_classes and index < len(graph.outputs) else None


def _right(scores: np.ndarray, feed: Stacked) -> np.ndarray:
    labels = feed[TARGETS[0]]
    found = scores.reshape(*labels.shape, -1).argmax(axis=-1)
    return np.count_nonzero(found == labels, axis=1)


def feeds(program: Program, split: Split, settings: Settings, first: int = 0) -> Iterator[Stacked]:
    """The inputs of the steps from the given one on: a few steps at a time, on the first axis, all of one epoch.

    Each epoch takes the samples in an order that depends on the seed and the epoch only.
    """
    graph, size, total = program.graph, batch_size(program.graph), steps_of(program, split, settings)
    epoch_steps, image = steps_an_epoch(program, split), input_name(graph)
    if settings.flip and split.inputs.ndim != 4:
        what = f"samples of shape {list(split.inputs.shape[1:])} are no images to be mirrored"
        raise CompileError("GL411", what, hint="leave --flip away")
    calls = calls_at_a_time(split.inputs[:1].nbytes * size)
    for begin, order, mirrored in _epochs(len(split), epoch_steps, settings, total):
        end = min(total, begin + epoch_steps)
        for start in range(max(first, begin), end, calls):
            steps = np.arange(start, min(end, start + calls))
            taken = slice((start - begin) * size, (int(steps[-1]) + 1 - begin) * size)
            inputs, chosen = split.inputs[order[taken]], order[taken]
            if settings.flip:
                inputs[mirrored[taken]] = inputs[mirrored[taken], :, ::-1]
            yield {
                image: inputs.reshape(len(steps), size, *inputs.shape[1:]),
                **_targets(graph, split.targets[chosen].reshape(len(steps), size, *split.targets.shape[1:])),
                "lr": np.array([settings.rate(int(step), total) for step in steps], np.float32),
            }


def _targets(graph: Graph, targets: np.ndarray) -> Stacked:
    return {v.name: targets for v in graph.inputs if v.name in TARGETS}  # none where the model computes its own loss


def _epochs(count: int, steps: int, settings: Settings, total: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """The first step of each epoch, the order of its samples, and which of them, in that order, are mirrored."""
    orders, coins = np.random.default_rng(settings.seed), np.random.default_rng((settings.seed, 1))
    for epoch in itertools.count():
        if epoch * steps >= total:
            return
        yield epoch * steps, orders.permutation(count), coins.random(count) < 0.5

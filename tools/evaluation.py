"""How good the predictions of a program are: accuracy, in all and by class, or the squared error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlet.ir.backend import Session
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph
from gradlet.ir.program import Program
from gradlet.tools.calls import calls_at_a_time, infer_all
from gradlet.tools.datasets import Split
from gradlet.tools.preprocessing import DEFAULT, TARGETS, completed, fit, laid_out

Progress = Callable[[int], None]
ACCURACY, SQUARED_ERROR = "accuracy", "squared_error"
# Above this many classes the confusion is not worth its size.
MOST_CONFUSED = 64


@dataclass(frozen=True)
class Evaluation:
    """What a split showed.

    Attributes:
        kind: `accuracy` or `squared_error`.
        value: Share of samples whose largest prediction is that of their class; or the mean squared difference.
        per_class: For an accuracy, that of the samples of each class; None for a class without samples.
        confusion: For an accuracy of few classes, `[class, predicted]`: how many samples.
    """

    kind: str
    value: float
    samples: int
    per_class: tuple[float | None, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()

    @staticmethod
    def read(record: Mapping[str, Any]) -> Evaluation:
        """What `dataclasses.asdict` and JSON made of one."""
        confusion = tuple(tuple(row) for row in record["confusion"])
        return Evaluation(record["kind"], record["value"], record["samples"], tuple(record["per_class"]), confusion)


def input_name(graph: Graph) -> str:
    return next(v.name for v in graph.inputs if v.type.shape and v.name not in TARGETS)


def batch_size(graph: Graph) -> int:
    return next(v.type.shape[0] for v in graph.inputs if v.name == input_name(graph))


def predicted(program: Program) -> int:
    """Which prediction is compared with a target in the training step; the first where none is."""
    step = program.graph
    compared = [n.inputs[0] for n in step.nodes if any(v.name in TARGETS for v in n.inputs)]
    return next((step.outputs.index(v) - 1 for v in compared if v in step.outputs), 0)


def class_names(program: Program) -> tuple[str, ...]:
    """What the classes of the prediction that the loss is about are called; empty if the model does not say it."""
    prediction = (program.infer or program.graph).outputs[predicted(program)]
    names = tuple(program.metadata.get(labels_key(program), "").split("\n"))
    return names if prediction.type.shape[-1:] == (len(names),) and any(names) else ()


def labels_key(program: Program) -> str:
    """Under which name the metadata keep the names of these classes, one a line."""
    return f"output.{(program.infer or program.graph).outputs[predicted(program)].name}.labels"


def predict(session: Session, program: Program, inputs: np.ndarray, progress: Progress = lambda n: None) -> np.ndarray:
    """The prediction that the loss is about for every sample, in the IR's layout; the last batch is filled up."""
    graph = program.infer or program.graph
    wanted, size, rows = graph.outputs[predicted(program)].name, batch_size(graph), []
    calls = calls_at_a_time(inputs[:1].nbytes * size)
    for start in range(0, len(inputs), size * calls):
        part = inputs[start : start + size * calls]
        filled = np.concatenate([part, np.repeat(part[-1:], -len(part) % size, axis=0)])
        feed = {input_name(graph): filled.reshape(-1, size, *inputs.shape[1:])}
        found = infer_all(session, feed, [wanted])[wanted]
        rows.append(found.reshape(-1, *found.shape[2:])[: len(part)])
        progress(len(part))
    return np.concatenate(rows)


def measured(program: Program, split: Split) -> str | None:
    """What suits; None for a model that computes its own loss, and predicts nothing else."""
    graph = program.infer or program.graph
    if not graph.outputs[predicted(program)].type.shape:
        return None
    return ACCURACY if split.has_classes else SQUARED_ERROR


def evaluate(
    session: Session, program: Program, split: Split, progress: Progress = lambda n: None
) -> Evaluation | None:
    """Predicts every sample, and compares; None where there is nothing to compare."""
    kind = measured(program, split)
    if kind is None or not len(split):
        return None
    fitted = fit(split, program.infer or program.graph, completed(DEFAULT, program))
    found = predict(session, program, fitted.inputs, progress)
    if kind == SQUARED_ERROR:
        return Evaluation(kind, _squared_error(found, fitted.targets), len(found))
    return _classified(found.reshape(len(found), -1), fitted.targets)


def accuracy(session: Session, program: Program, split: Split, progress: Progress = lambda n: None) -> float:
    """Share of samples whose largest prediction is that of their class."""
    assert split.has_classes, "an accuracy of targets that are no classes"
    found = evaluate(session, program, split, progress)
    return found.value if found else 0.0


def _classified(scores: np.ndarray, labels: np.ndarray) -> Evaluation:
    classes, found = scores.shape[1], scores.argmax(axis=1)
    right = found == labels
    counts = np.bincount(labels, minlength=classes)
    hits = np.bincount(labels[right], minlength=classes)
    per_class = tuple(float(hit / count) if count else None for hit, count in zip(hits, counts, strict=True))
    confusion: tuple[tuple[int, ...], ...] = ()
    if classes <= MOST_CONFUSED and len(counts) == classes:
        pairs = np.bincount(labels.astype(np.int64) * classes + found, minlength=classes * classes)
        confusion = tuple(map(tuple, pairs.reshape(classes, classes).tolist()))
    return Evaluation(ACCURACY, float(np.mean(right)), len(labels), per_class, confusion)


def _squared_error(found: np.ndarray, targets: np.ndarray) -> float:
    """For a model that does not classify."""
    fitted = laid_out(targets, found.shape[1:])
    if fitted is None:
        what = f"the predictions have the shape {list(found.shape[1:])}, the targets {list(targets.shape[1:])}"
        raise CompileError("GL411", what, hint="give targets like the predictions, or one integer a sample: its class")
    return float(np.mean(np.square(found.astype(np.float64) - fitted)))

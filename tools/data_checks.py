"""Whether a data set suits a program: told before anything runs, not by a loss that is no number."""

from __future__ import annotations

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.program import Program
from gradlet.tools.datasets import Dataset, Split
from gradlet.tools.evaluation import batch_size
from gradlet.tools.preprocessing import TARGETS


def check_dataset(data: Dataset, program: Program, *, trains: bool) -> None:
    """Raises GL411 for samples that are no finite numbers, labels that are no classes, or, to train on, all of one
    class, and less than one batch."""
    classes = class_count(program)
    for name, split in {"train": data.train, "test": data.test}.items():
        _check_finite(split.inputs, f"{name} samples")
        _check_finite(split.targets, f"{name} targets")
        if classes is not None:
            _check_labels(split, classes, name)
    if not trains:
        return
    if classes is not None and classes > 1 and len(np.unique(data.train.targets)) < 2:
        what = f"all {len(data.train)} samples to train on are of one class"
        raise CompileError("GL411", what, hint="give samples of two classes or more")
    size = batch_size(program.graph)
    if len(data.train) < size:
        what = f"there are {len(data.train)} samples to train on, a batch of {program.name} has {size}"
        raise CompileError("GL411", what, hint="give more samples, or compile with a smaller --batch")


def class_count(program: Program) -> int | None:
    """How many classes the labels of a training step choose from; None if its targets are no labels."""
    label = next((v for v in program.graph.inputs if v.name == TARGETS[0]), None)
    return label.users[0].inputs[0].type.shape[-1] if label and label.users else None


def _check_finite(array: np.ndarray, name: str) -> None:
    if array.dtype == object:
        return  # pictures, looked at when they are read
    if array.dtype.kind not in "biuf":
        raise CompileError("GL411", f"{name} are {array.dtype}, not numbers", hint="convert them to float32 or int32")
    wrong = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))
    if len(wrong):
        what = f"{len(wrong)} of the {name} are not finite, the first is number {wrong[0]}"
        raise CompileError("GL411", what, hint="leave them out, or replace NaN and infinity")


def _check_labels(split: Split, classes: int, name: str) -> None:
    if not split.has_classes:
        what = f"{name} labels are {split.targets.dtype}{list(split.targets.shape[1:])}, not one integer a sample"
        raise CompileError("GL411", what, hint="give the number of the class, counted from 0")
    low, high = int(split.targets.min(initial=0)), int(split.targets.max(initial=0))
    if low < 0 or high >= classes:
        what = f"{name} labels go from {low} to {high}, the program has {classes} classes: 0 to {classes - 1}"
        raise CompileError("GL411", what, hint="count labels from 0, or compile the model with --classes")

"""The curves of a training as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gradlet.ir import files
from gradlet.ir.errors import CompileError
from gradlet.tools.training_log import Log

# As many points as the picture is wide show all that can be seen of the loss of each step.
_POINTS = 400


def check_drawable() -> None:
    """Raises GL416 where curves could not be drawn after hours of training."""
    _figure()


def draw(log: Log, path: Path, title: str) -> None:
    """Writes a PNG: the loss and, on a second axis, what was right of the train and the test samples."""
    figure = _figure()(figsize=(8, 4.5), layout="constrained")
    losses = figure.add_subplot()
    losses.set(title=title, xlabel="epoch", ylabel="loss")
    epochs, values = _smooth(log)
    losses.plot(epochs, values, color="tab:gray", linewidth=0.8, label="loss")
    measure = losses.twinx()
    kind = log.before.kind if log.before else ""
    measure.set_ylabel(f"{kind.replace('_', ' ')}")
    for name, marker in (("train_accuracy", "."), (f"test_{kind}", "o")):
        points = [(row.step, getattr(row, name, None)) for row in log.rows]
        points = [(0, log.before.value), *points] if log.before and name != "train_accuracy" else points
        known = [(step / log.epoch_steps, value) for step, value in points if value is not None]
        if known and kind:
            measure.plot(*zip(*known, strict=True), marker=marker, label=name.replace("_", " "))
    if kind == "accuracy":
        measure.set_ylim(0, 1.02)
    lines = [*losses.get_lines(), *measure.get_lines()]
    figure.legend(lines, [line.get_label() for line in lines], loc="outside lower center", ncols=3)
    with files.replacing(path) as part:
        figure.savefig(part, format="png", dpi=120)


def _smooth(log: Log) -> tuple[np.ndarray, np.ndarray]:
    """Epochs, and the mean loss of a few steps at each."""
    losses = np.array(log.history.losses)
    parts = np.array_split(np.arange(len(losses)), min(len(losses), _POINTS) or 1)
    ends = np.array([(part[-1] + 1) / log.epoch_steps for part in parts if len(part)])
    return ends, np.array([losses[part].mean() for part in parts if len(part)])


def _figure() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        what = f"curves are drawn by matplotlib: {error}"
        raise CompileError("GL416", what, hint="pip install 'gradlet[data]', or leave --png away") from error
    return Figure

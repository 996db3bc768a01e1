"""What the visual wake words model learns, and needs: an int8 .tflite fine-tuned on two classes of CIFAR-10.

python -m gradlet.benchmarks.vww [--classes cat,dog] [--epochs 2]     or: ./bazelw run //benchmarks:vww -- ...

All images of both, resized to 80 x 80, batch 1, mirrored at random; a new float head, int8 weights in place, integer
gradients; the learning rate falls linearly to 0. It trains with the C kernels on this machine, which take the steps
that a microcontroller takes; a step and an inference are counted on an emulated Cortex-M7. Model and images are looked
for in $GRADLET_DATA, or ../shared/data.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from gradlet.ir.graph import Graph
from gradlet.ir.plugin import Toolbox, load
from gradlet.tools.api import Compiled, Options, compile_program, import_source
from gradlet.tools.checks import sample
from gradlet.tools.datasets import Dataset, Split, load_dataset
from gradlet.tools.divided import RememberingSession
from gradlet.tools.fine_tuning import fine_tune
from gradlet.tools.preprocessing import Preprocessing, prepare
from gradlet.tools.settings import Settings
from gradlet.tools.training_log import summary_of

DATA = Path(os.environ.get("GRADLET_DATA", "../shared/data"))
MODEL, IMAGES = "models/vww.tflite", "images/cifar10_5k2k.npz"
DEVICE = "stm32f746"
# Pixels of -1 to 1, which its first operator makes int8 of.
PIXELS = Preprocessing(crop=1.0, mean=(0.5,), std=(0.5,))


def compiled(scheme: str, target: str, tools: Toolbox) -> Compiled:
    options = Options(scheme=scheme, classes=2, target=target, gradients="int8")
    return compile_program(import_source(str(DATA / MODEL), options, tools), options, tools)


def two_classes(names: Sequence[str]) -> Dataset:
    """The images of two classes, called 0 and 1."""
    data = load_dataset(str(DATA / IMAGES))
    numbers = [list(data.classes).index(name) for name in names]

    def chosen(split: Split) -> Split:
        kept = split[np.flatnonzero(np.isin(split.targets, numbers))]
        return Split(kept.inputs, np.array([numbers.index(target) for target in kept.targets]))

    return Dataset(chosen(data.train), chosen(data.test), tuple(names))


def learnt(args: argparse.Namespace, tools: Toolbox) -> dict[str, object]:
    """Accuracies before and after, on the test images."""
    begin, made = time.monotonic(), compiled(args.scheme, "x86_64", tools)
    data = prepare(two_classes(args.classes.split(",")), made.program, PIXELS)
    session = RememberingSession(made)
    for images in (data.train.inputs, data.train.inputs[:, :, ::-1], data.test.inputs):
        session.remember(images)
    settings = Settings(args.epochs, args.lr, args.epochs / 10, "linear", args.seed, flip=True)
    try:
        told = summary_of(fine_tune(session, made.program, data, settings))
    finally:
        session.close()
    kept = {name: told[name] for name in ("accuracy_before", "accuracy_after", "steps")}
    return {**kept, "seconds": time.monotonic() - begin}


def needed(scheme: str, tools: Toolbox) -> dict[str, int]:
    """Bytes and instructions on the device, of the second step: the first calibrates the ranges of the gradients."""
    made = compiled(scheme, DEVICE, tools)
    session: Any = made.open()  # what only a device can tell
    try:
        for seed in range(2):
            session.train_step(drawn(made.program.graph, seed) | {"lr": np.array(0.001, np.float32)})
        step = session.instructions
        session.infer(drawn(made.program.infer, 0))
        return {**session.memory(), "step": step, "forward": session.instructions}
    finally:
        session.close()


def drawn(graph: Graph | None, seed: int) -> dict[str, np.ndarray]:
    assert graph is not None
    return {value.name: sample(value, seed) for value in graph.inputs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--classes", default="cat,dog", help="two, between commas (%(default)s)")
    add("--scheme", default="last_4", help="what learns (%(default)s)")
    add("--epochs", type=float, default=2, help="(%(default)s)")
    add("--lr", type=float, default=0.0016, help="largest learning rate (%(default)s)")
    add("--seed", type=int, default=0, help="(%(default)s)")
    args = parser.parse_args()
    console, tools = Console(), load(installed=False)
    console.width = max(console.width, 110)
    for row in (needed(args.scheme, tools), learnt(args, tools)):
        table = Table(*row, box=None)
        table.add_row(*(f"{n:,}" if isinstance(n, int) else f"{n:.4g}" for n in row.values()))
        console.print(table)


if __name__ == "__main__":
    main()

"""What int8 costs a network, and what it learns then: a ResNet-8 on Kuzushiji-MNIST, quantised after training.

python -m gradlet.benchmarks.quantization [--json FILE]      or: ./bazelw run //benchmarks:quantization

PyTorch trains a ResNet-8 in float32 on 8,000 images of 10 characters; every method of quantisation then makes it int8
with 256 of them. A second network is trained on 8 of the characters, quantised with a new head for all 10, and learns
them on an emulated Cortex-M7: the two held-back ones, and the others again. The data are looked for in $GRADLET_DATA,
or ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import gradlet
from gradlet.tests.kmnist import accuracy_of, kmnist, trained_resnet8
from gradlet.tools.api import Compiled
from gradlet.tools.datasets import Split
from gradlet.tools.evaluation import evaluate
from gradlet.tools.paths import user_path
from gradlet.tools.settings import Settings
from gradlet.tools.training import train

CLASSES, KNOWN, NEW = tuple(range(10)), tuple(range(8)), (8, 9)
METHODS = (
    "int8",
    "int8{ranges=moving_average}",
    "int8{ranges=percentile}",
    "int8{ranges=kl}",
    "int8{ranges=mse}",
    "int8{weights=per_tensor}",
    "int8{weights=per_tensor,equalize=true}",
    "int8{activations=symmetric}",
    "int8{activations=int16}",
    "int8{correct_bias=true}",
    "int8{rounding=adaround}",
)
TARGET = "stm32f746"


def quantised(module: torch.nn.Module, samples: np.ndarray, method: str, **options: Any) -> Compiled:
    """The module in int8, its batch norms folded, on this machine unless the options say otherwise."""
    sample = torch.zeros(1, 1, 28, 28)
    chosen = {"target": "x86_64", "scheme": "none", "calibration": samples, "name": "resnet8", **options}
    return gradlet.compile(module, sample, quantize=method, **chosen)


def accuracy(made: Compiled, data: Split) -> tuple[float, tuple[float | None, ...]]:
    """In all, and by class."""
    session = made.open()
    try:
        found = evaluate(session, made.program, data)
    finally:
        session.close()
    assert found
    return found.value, found.per_class


def compare_methods(epochs: int, console: Console) -> dict[str, Any]:
    """Accuracy in float32, and of every method on int8."""
    data = kmnist(CLASSES)
    start = time.time()
    module = trained_resnet8(data.train, len(CLASSES), epochs)
    rows = {"float32": {"accuracy": accuracy_of(module, data.test), "snr_db": None}}
    console.print(f"trained in {time.time() - start:.0f} s: {rows['float32']['accuracy']:.2%}")
    for method in METHODS:
        made = quantised(module, data.train.inputs, method)
        found, _ = accuracy(made, data.test)
        rows[method] = {"accuracy": found, "snr_db": next(iter(made.report["quantization"]["outputs"].values()))}
        console.print(f"{method}: {found:.2%}, {rows[method]['snr_db']:.1f} dB")
    return rows


def learn_new_classes(epochs: int, steps: int, console: Console, seed: int = 0) -> dict[str, Any]:
    """Accuracy on the classes held back and on the others, before and after steps on the emulated device."""
    data, known = kmnist(CLASSES), kmnist(KNOWN)
    module = trained_resnet8(known.train, len(KNOWN), epochs)
    settings = Settings(epochs=1.0, lr=0.02, seed=seed)
    options = {"target": TARGET, "scheme": "last_4", "classes": len(CLASSES), "seed": seed}
    made = quantised(module, known.train.inputs, "int8", **options)
    chosen = np.random.default_rng(seed).permutation(len(data.train))[:steps]
    parts = {name: _part(data.test, labels) for name, labels in (("new", NEW), ("known", KNOWN))}
    session = made.open()
    try:
        start = time.time()
        before = {name: _value(session, made, part) for name, part in parts.items()}
        train(session, made.program, data.train[chosen], settings)
        after = {name: _value(session, made, part) for name, part in parts.items()}
    finally:
        session.close()
    console.print(f"{steps} steps and four evaluations on {TARGET}: {time.time() - start:.0f} s")
    return {"steps": steps, "float32, 8 classes": accuracy_of(module, known.test), "before": before, "after": after}


def _part(split: Split, labels: tuple[int, ...], most: int = 200) -> Split:
    return split[np.flatnonzero(np.isin(split.targets, labels))[:most]]


def _value(session: Any, made: Compiled, part: Split) -> float:
    found = evaluate(session, made.program, part)
    assert found
    return found.value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=6, help="of training in float32 (%(default)s)")
    parser.add_argument("--steps", type=int, default=1500, help="on the device; 0: none (%(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write the figures")
    args = parser.parse_args()
    torch.set_num_threads(1)
    console = Console()
    methods = compare_methods(args.epochs, console)
    learnt = learn_new_classes(args.epochs, args.steps, console) if args.steps else None
    console.print(_table(methods))
    console.print(learnt)
    if args.json:
        user_path(args.json).write_text(json.dumps({"methods": methods, "new_classes": learnt}, indent=1) + "\n")


def _table(methods: dict[str, Any]) -> Table:
    table = Table("", "test accuracy", "SNR of the logits, dB", box=None)
    for name, row in methods.items():
        table.add_row(name, f"{row['accuracy']:.2%}", "" if row["snr_db"] is None else f"{row['snr_db']:.1f}")
    return table


if __name__ == "__main__":
    main()

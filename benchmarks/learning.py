"""What int8 networks learn: accuracy of mcunet-5fps on a CIFAR-10 subset, by what learns and in which numbers.

python -m gradlet.benchmarks.learning --out FOLDER [--only 49kb,head]     or: ./bazelw run //benchmarks:learning -- ...

5,000 training and 2,000 test images, resized to 128 x 128; one epoch of warm-up and six in which the learning rate
falls linearly to 0; images mirrored at random; the C kernels on this machine, which take the steps that a
microcontroller takes. Every run writes its log (.csv, .json) to the folder, and the next does not repeat it; the curves
of all are drawn to learning.png. The data are looked for in $GRADLET_DATA, or ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from gradlet.ir import files
from gradlet.ir.graph import written_states
from gradlet.ir.plugin import Toolbox, load
from gradlet.ir.user_states import from_user
from gradlet.optimizers.pipelines import parse_pipeline
from gradlet.tools.api import Compiled, Options, compile_program, import_source
from gradlet.tools.datasets import Dataset, load_dataset
from gradlet.tools.divided import RememberingSession
from gradlet.tools.fine_tuning import Callbacks, fine_tune
from gradlet.tools.paths import user_path
from gradlet.tools.preprocessing import Preprocessing, prepare
from gradlet.tools.settings import Settings
from gradlet.tools.training_log import Log, Row, csv_of, summary_of

DATA = Path(os.environ.get("GRADLET_DATA", "../shared/data"))
MODEL, IMAGES = "models/mcunet-5fps.pkl", "images/cifar10_5k2k.npz"
CLASSES, WARMUP, EPOCHS, SEEDS = 10, 1, 7, 3
IN_PLACE, MASTER = "sgd", "sgd{weights=float}"


@dataclass(frozen=True)
class Configuration:
    """A way to train.

    Attributes:
        scheme: What learns.
        gradients: Element type of the gradients of quantised values.
        update: Update rule.
    """

    scheme: str
    batch: int = 1
    lr: float = 0.0016
    gradients: str = "int8"
    update: str = IN_PLACE


CONFIGURATIONS: Mapping[str, Configuration] = {
    "49kb": Configuration("49kb"),
    "99kb": Configuration("99kb"),
    "head": Configuration("head_only"),
    "49kb master": Configuration("49kb", batch=64, lr=0.1, gradients="float32", update=MASTER),
    # All layers moved at the rate that suits a few diverge, whatever the numbers.
    "all int8": Configuration("full", lr=0.0004),
    "all int16": Configuration("full", lr=0.0004, gradients="int16"),
    "all float32": Configuration("full", lr=0.0004, gradients="float32"),
}


def compiled(configuration: Configuration, backend: str, tools: Toolbox) -> Compiled:
    passes = {
        "sparse_update": {"scheme": configuration.scheme},
        "differentiate": {"update": configuration.update},
        "quantize_gradients": {"dtype": configuration.gradients},
    }
    pipeline = ",".join(map(str, parse_pipeline("train", passes)))
    options = Options(target="x86_64", backend=backend, pipeline=pipeline, batch=configuration.batch, classes=CLASSES)
    return compile_program(import_source(str(DATA / MODEL), options, tools), options, tools)


def new_head(seed: int, tools: Toolbox) -> dict[str, np.ndarray]:
    """The float head that the frontend draws for a seed."""
    program = import_source(str(DATA / MODEL), Options(classes=CLASSES, seed=seed), tools)
    return {s.source.name: s.init for s in program.graph.states if s.source and s.value.type.dtype.is_float}


class Bench:
    """One configuration, compiled, with its data; each run begins with the states of the checkpoint."""

    def __init__(self, configuration: Configuration, backend: str, data: Dataset, tools: Toolbox):
        self.configuration, self.tools = configuration, tools
        self.made = compiled(configuration, backend, tools)
        self.data = prepare(data, self.made.program, Preprocessing(crop=1.0))
        self.session = RememberingSession(self.made)
        changeable = {v.name for v in written_states(self.session.rest.graph)}
        self.initial = {name: array for name, array in self.session.states().items() if name in changeable}
        train, test = self.data.train.inputs, self.data.test.inputs
        for images in (train, train[:, :, ::-1], test):
            self.session.remember(images)

    def run(self, seed: int, args: argparse.Namespace, callbacks: Callbacks) -> Log:
        head = from_user(self.session.rest.graph, new_head(seed, self.tools))
        self.session.set_states(self.initial | head)
        warmup, lr = WARMUP * args.epochs / EPOCHS, self.configuration.lr
        settings = Settings(args.epochs, lr, warmup, "linear", seed, flip=True, evaluate_every=args.evaluate_every)
        return fine_tune(self.session, self.made.program, self.data, settings, callbacks)


def measure(name: str, args: argparse.Namespace, data: Dataset, tools: Toolbox, console: Console) -> None:
    """Runs the seeds of a configuration that the folder does not have."""
    folder = user_path(args.out)
    paths = {seed: folder / f"{name.replace(' ', '_')}_{seed}" for seed in range(args.first_seed, args.seeds)}
    missing = {seed: path for seed, path in paths.items() if not path.with_suffix(".json").exists()}
    if not missing:
        return
    begin = time.monotonic()
    bench = Bench(CONFIGURATIONS[name], args.backend, data, tools)
    console.print(f"{name}: compiled, its front run for all images: {time.monotonic() - begin:.0f} s")
    for seed, path in missing.items():
        begin = time.monotonic()
        log = bench.run(seed, args, Callbacks(epoch=partial(tell, console)))
        record = summary_of(log) | {"configuration": name, "seed": seed, "seconds": time.monotonic() - begin}
        del record["losses"]
        files.write_bytes(path.with_suffix(".csv"), csv_of(log).encode())
        files.write_bytes(path.with_suffix(".json"), (json.dumps(record, indent=1) + "\n").encode())
        console.print(f"{name}, seed {seed}: {record['accuracy_after']:.2%} in {record['seconds']:.0f} s")
    bench.session.close()


def tell(console: Console, row: Row) -> None:
    accuracy = "" if row.test_accuracy is None else f", accuracy {row.test_accuracy:.2%}"
    console.print(f"  {time.strftime('%H:%M:%S')} epoch {row.epoch}: loss {row.loss:.4f}, lr {row.lr:.2g}{accuracy}")


def records(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What the folder has: configuration -> a record for each seed."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text())
        found.setdefault(record["configuration"], []).append(record)
    return {name: found[name] for name in CONFIGURATIONS if name in found}


def show(found: Mapping[str, list[dict[str, Any]]], console: Console) -> None:
    table = Table("configuration", "accuracy, %", "seeds", "s a run", box=None)
    for name, runs in found.items():
        accuracies = 100 * np.array([run["accuracy_after"] for run in runs])
        each = " ".join(f"{a:.2f}" for a in accuracies)
        seconds = np.mean([run["seconds"] for run in runs])
        table.add_row(name, f"{accuracies.mean():.2f} ± {accuracies.std():.2f}", each, f"{seconds:.0f}")
    console.print(table)


def draw(found: Mapping[str, list[dict[str, Any]]], path: Path) -> None:
    """Training loss and accuracy after each epoch, means of the seeds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    titles = {"loss": "training loss", "test_accuracy": "accuracy on test images"}
    for axes, (column, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        for name, runs in found.items():
            curves = np.array([[epoch[column] for epoch in run["epochs"]] for run in runs], float)
            axes.plot(np.arange(1, curves.shape[1] + 1), curves.mean(axis=0), label=name, marker=".")
        axes.set(xlabel="epoch", title=title)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle("mcunet-5fps, int8, on 5,000 images of CIFAR-10")
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--out", required=True, metavar="FOLDER", help="where the logs are, and are written")
    add("--only", default=",".join(CONFIGURATIONS), help="configurations, between commas (%(default)s)")
    add("--seeds", type=int, default=SEEDS, help="how many (%(default)s)")
    add("--first-seed", type=int, default=0, help="the seeds from this one on (%(default)s)")
    add("--epochs", type=float, default=EPOCHS, help="in all; the first part is the warm-up (%(default)s)")
    add("--evaluate-every", type=int, default=1, help="epochs; 0 evaluates at the end only (%(default)s)")
    add("--samples", type=int, help="take so many training images only, and test images: to try it out")
    add("--backend", default="tinyengine", help="(%(default)s)")
    args = parser.parse_args()
    console, tools, data = Console(), load(installed=False), load_dataset(str(DATA / IMAGES))
    if args.samples:
        few = np.arange(args.samples)
        data = Dataset(data.train[few], data.test[few])
    for name in args.only.split(","):
        measure(name, args, data, tools, console)
    found = records(user_path(args.out))
    show(found, console)
    draw(found, user_path(args.out) / "learning.png")


if __name__ == "__main__":
    main()

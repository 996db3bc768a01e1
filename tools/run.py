"""Runs a program over a data set, and fine-tunes it.

gradlet run net.gradlet --data digits:1                              accuracy, on the reference
gradlet run net.gradlet --data faces.npz --train --backend tinyengine --target stm32f746 --epochs 2
gradlet run net.gradlet --data photos/ --train --epochs 7 --warmup 1 --decay linear --flip --checkpoint run.ckpt
gradlet run net.gradlet --data data.py:load --train --lr 0.02 --out learnt --csv log.csv --png curves.png

A data set is an .npz file (images, labels; or train_images, train_labels, test_images, test_labels), a folder with
a folder of images for each class, a function path.py:NAME that returns such arrays or pairs (sample, target), or
digits:TURNS. What was learnt is written as a program. docs/training.md tells the rest.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from gradlet.ir import files
from gradlet.ir.backend import Backend, Session
from gradlet.ir.errors import CompileError
from gradlet.ir.plugin import Toolbox, load
from gradlet.ir.program import Program
from gradlet.ir.target import Target
from gradlet.optimizers.compilation import replan
from gradlet.tools.api import context_of
from gradlet.tools.curves import check_drawable, draw
from gradlet.tools.datasets import Dataset, Holdout, in_order, load_dataset
from gradlet.tools.evaluation import class_names, labels_key
from gradlet.tools.export import load_program
from gradlet.tools.fine_tuning import Callbacks, fine_tune
from gradlet.tools.interrupts import wished_to_stop
from gradlet.tools.paths import user_path
from gradlet.tools.preprocessing import Preprocessing
from gradlet.tools.progress import bars
from gradlet.tools.settings import DECAYS, Settings
from gradlet.tools.training_log import Log, Row, csv_of, summary_of

HELP = "run a program over a data set, train it, report"
INTERRUPTED = 130
FORMS = {"accuracy": ".2%", "squared_error": ".4g"}


def configure(parser: argparse.ArgumentParser) -> None:
    default = Settings()
    add = parser.add_argument
    add("program", help="a program that `gradlet compile` wrote, or a .tflite file with one")
    add("--data", required=True, help="FILE.npz, FOLDER, path.py:function, or digits:TURNS")
    add("--test-share", type=float, default=Holdout.share, help="to hold back of data without a split (%(default)s)")
    add("--split-seed", type=int, default=Holdout.seed, help="which samples these are (%(default)s)")
    add("--crop", type=float, help="part of an image's short side that is kept (128/147)")
    add(
        "--mean",
        type=_numbers,
        metavar="NUMBERS",
        help="of pixels / 255, one or one a channel (the model's; 0; int8: 0.5)",
    )
    add("--std", type=_numbers, metavar="NUMBERS", help="the same (model's; 1; int8: 0.5)")
    add("--backend", help="reference, tinyengine, tvm (that of --target; without one: reference)")
    add("--target", help="where the backend runs it: a device is emulated (this machine)")
    add("--train", action="store_true", help="train; evaluate before and after")
    add("--epochs", type=float, default=default.epochs, help="in all (%(default)s)")
    add("--lr", type=float, default=default.lr, help="highest learning rate (%(default)s)")
    add("--warmup", type=float, default=default.warmup, help="epochs in which it rises (%(default)s)")
    add("--decay", choices=DECAYS, default=default.decay, help="how it falls afterwards (%(default)s)")
    add("--seed", type=int, default=default.seed, help="of the order of the samples (%(default)s)")
    add("--flip", action="store_true", help="mirror half of the images of each epoch")
    add(
        "--evaluate-every",
        type=int,
        default=default.evaluate_every,
        metavar="EPOCHS",
        help="0: before and after only (%(default)s)",
    )
    add("--checkpoint", metavar="FILE", help="keep the run here; if the file exists, go on from it")
    add("--out", metavar="FILE", help="write the program with what it learnt")
    add("--csv", metavar="FILE", help="write a line for each epoch")
    add("--json", metavar="FILE", help="write the report")
    add("--png", metavar="FILE", help="draw the curves")
    add("--plugin", action="append", default=[], metavar="MODULE:NAME", help="load this plugin too")


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split(",")))


def main(args: argparse.Namespace) -> int:
    console, tools = Console(), load(args.plugin)
    settings, preprocessing = _settings(args), _preprocessing(args)
    if args.png:
        check_drawable()
    program = load_program(user_path(args.program), tools)
    data = in_order(load_dataset(args.data, Holdout(args.test_share, args.split_seed)), class_names(program))
    target: Target = tools.get("targets", args.target or "x86_64")
    backend: Backend = tools.get("backends", args.backend or (target.backend if args.target else "reference"))
    replan(program, context_of(tools, target, backend))
    session = backend.open(program, target, tools)
    try:
        log = _run(session, program, data, settings, preprocessing, args, console)
        learnt = session.states()
    finally:
        session.close()
    report = {"schema": 1, "program": program.name, "backend": backend.name, "target": target.name}
    report |= {"classes": list(data.classes or class_names(program)), **summary_of(log)}
    _write(program, learnt, log, report, args, tools)
    if args.train and not log.complete:
        return _tell_interrupt(log, args)
    _tell(report, log, console)
    return 0


def _settings(args: argparse.Namespace) -> Settings:
    return Settings(
        epochs=args.epochs if args.train else 0.0,
        lr=args.lr,
        warmup=args.warmup if args.train else 0.0,
        decay=args.decay,
        seed=args.seed,
        flip=args.flip,
        evaluate_every=args.evaluate_every,
    )


def _preprocessing(args: argparse.Namespace) -> Preprocessing:
    crop = Preprocessing.crop if args.crop is None else args.crop
    return Preprocessing(crop, args.mean, args.std)


def _run(
    session: Session,
    program: Program,
    data: Dataset,
    settings: Settings,
    preprocessing: Preprocessing,
    args: argparse.Namespace,
    console: Console,
) -> Log:
    path = user_path(args.checkpoint) if args.checkpoint and args.train else None

    def told() -> None:
        console.print("stopping after these steps; Ctrl-C again ends at once")

    def epoch(row: Row) -> None:
        console.print(_line(row))

    with bars(console) as bar, wished_to_stop(told) as stopped:
        callbacks = Callbacks(bar, epoch, stopped)
        return fine_tune(session, program, data, settings, callbacks, preprocessing=preprocessing, kept_at=path)


def _line(row: Row) -> str:
    found = [f"epoch {row.epoch}: loss {row.loss:.4f}, lr {row.lr:.3g}"]
    figures: dict[str, Callable[[Row], float | None]] = {
        "train accuracy": lambda r: r.train_accuracy,
        "test accuracy": lambda r: r.test_accuracy,
        "test squared error": lambda r: r.test_squared_error,
    }
    for name, read in figures.items():
        value = read(row)
        if value is not None:
            found.append(f"{name} {value:{FORMS['accuracy' if 'accuracy' in name else 'squared_error']}}")
    return ", ".join(found)


def _write(
    program: Program, learnt: Any, log: Log, report: dict[str, Any], args: argparse.Namespace, tools: Toolbox
) -> None:
    if args.csv:
        files.write_bytes(user_path(args.csv), csv_of(log).encode())
    if args.json:
        files.write_bytes(user_path(args.json), (json.dumps(report, indent=1) + "\n").encode())
    if args.png and log.taken:
        draw(log, user_path(args.png), f"{program.name} on {report['backend']}")
    if args.out and log.complete:
        save_learnt(program, learnt, user_path(args.out), tools, report["classes"])


def _tell_interrupt(log: Log, args: argparse.Namespace) -> int:
    kept = f"the same command goes on from {args.checkpoint}" if args.checkpoint else "--checkpoint FILE would keep it"
    print(f"interrupted after {log.taken} of {log.steps} steps; {kept}", file=sys.stderr)
    return INTERRUPTED


def _tell(report: dict[str, Any], log: Log, console: Console) -> None:
    for when, found in (("before", log.before), ("after", log.after)):
        if found and (when == "before" or log.taken):
            name = found.kind.replace("_", " ")
            console.print(f"{name} {when}: {found.value:{FORMS[found.kind]}} of {found.samples} samples")
    worst = log.after or log.before
    names = report["classes"]
    if worst and 0 < len(worst.per_class) <= len(names or range(20)):
        each = [f"{names[k] if names else k} {v:.1%}" for k, v in enumerate(worst.per_class) if v is not None]
        console.print("by class: " + ", ".join(each))


def save_learnt(program: Program, learnt: Any, path: Path, tools: Toolbox, classes: Sequence[str] = ()) -> None:
    """Writes the program with the states as they are now, and with the names of what it tells apart."""
    if not program.trains:
        raise CompileError("GL412", f"{program.name} does not train: it has learnt nothing", hint="leave --out away")
    for graph in program.graphs:
        for state in graph.states:
            state.init = learnt[state.name]
    if classes:
        program.metadata = {**program.metadata, labels_key(program): "\n".join(classes)}
    files.save(program, path, tools.ops)

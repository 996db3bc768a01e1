"""Runs a program over a data set, and trains it.

gradlet run net.gradlet --data digits:1                              accuracy, on the reference
gradlet run net.gradlet --data faces.npz --train --backend tinyengine --target stm32f746 --epochs 2
gradlet run net.gradlet --data data.py:load --train --lr 0.02 --out learnt --csv log.csv

A data set is an .npz file (images, labels; or train_images, train_labels, test_images, test_labels), a function
path.py:NAME that returns such arrays, or digits:TURNS. What was learnt is written as a program.
"""

from __future__ import annotations

import argparse
import json
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
from gradlet.tools.data_checks import check_dataset
from gradlet.tools.datasets import Dataset, load_dataset
from gradlet.tools.paths import user_path
from gradlet.tools.progress import bars
from gradlet.tools.training import History, Schedule, accuracy, predicted, squared_error, steps_of, train

HELP = "run a program over a data set, train it, report"
MEASURES = {"accuracy": accuracy, "squared_error": squared_error}
FORMS = {"accuracy": ".2%", "squared_error": ".4g"}


def configure(parser: argparse.ArgumentParser) -> None:
    default = Schedule()
    add = parser.add_argument
    add("program", help="a program that `gradlet compile` wrote")
    add("--data", required=True, help="FILE.npz, path.py:function, or digits:TURNS")
    add("--backend", help="reference, tinyengine, tvm (that of --target; without one: reference)")
    add("--target", help="where the backend runs it: a device is emulated (this machine)")
    add("--train", action="store_true", help="train; accuracy before and after")
    add("--epochs", type=float, default=default.epochs, help="(%(default)s)")
    add("--lr", type=float, default=default.lr, help="highest learning rate (%(default)s)")
    add("--warmup", type=float, default=default.warmup, help="share of the steps in which it rises (%(default)s)")
    add("--decay", action="store_true", help="let it fall to 0 afterwards")
    add("--seed", type=int, default=default.seed, help="of the order of the samples (%(default)s)")
    add("--out", metavar="FILE", help="write the program with what it learnt")
    add("--csv", metavar="FILE", help="write the loss of every step")
    add("--json", metavar="FILE", help="write the report")
    add("--plugin", action="append", default=[], metavar="MODULE:NAME", help="load this plugin too")


def main(args: argparse.Namespace) -> int:
    console, tools = Console(), load(args.plugin)
    program = files.load(user_path(args.program), tools.ops)
    data = load_dataset(args.data)
    check_dataset(data, program, trains=args.train and program.trains)
    target: Target = tools.get("targets", args.target or "x86_64")
    backend: Backend = tools.get("backends", args.backend or (target.backend if args.target else "reference"))
    replan(program, context_of(tools, target, backend))
    session = backend.open(program, target, tools)
    try:
        report = {"schema": 1, "program": program.name, "backend": backend.name, "target": target.name}
        report |= _run(session, program, data, args, console)
        learnt = session.states()
    finally:
        session.close()
    _write(program, learnt, report, args, tools)
    for key, form in FORMS.items():
        for when in ("before", "after"):
            if (figure := report[f"{key}_{when}"]) is not None:
                console.print(f"{key.replace('_', ' ')} {when}: {figure:{form}} of {len(data.test)} samples")
    return 0


def _run(
    session: Session, program: Program, data: Dataset, args: argparse.Namespace, console: Console
) -> dict[str, Any]:
    schedule = Schedule(args.epochs, args.lr, args.warmup, args.decay, args.seed)
    history, kind = History(), measured(program, data)
    figures: dict[str, float | None] = {f"{k}_{w}": None for k in MEASURES for w in ("before", "after")}
    with bars(console) as bar:

        def measure(when: str) -> None:
            if kind:
                shown = bar(f"{when} training", len(data.test))
                figures[f"{kind}_{when}"] = MEASURES[kind](session, program, data.test, shown)

        measure("before")
        if args.train:
            steps = steps_of(program, data.train, schedule)
            history = train(session, program, data.train, schedule, bar("training", steps))
            measure("after")
    return {
        "steps": len(history.losses),
        **figures,
        "losses": history.losses,
    }


def measured(program: Program, data: Dataset) -> str | None:
    """The key of `MEASURES` that suits; None for a model that computes its own loss, and predicts nothing else."""
    graph = program.infer or program.graph
    if not graph.outputs[predicted(program)].type.shape:
        return None
    return "accuracy" if data.test.has_classes else "squared_error"


def _write(program: Program, learnt: Any, report: dict[str, Any], args: argparse.Namespace, tools: Toolbox) -> None:
    if args.csv:
        rows = "".join(f"{step},{loss:.9g}\n" for step, loss in enumerate(report["losses"]))
        files.write_bytes(user_path(args.csv), f"step,loss\n{rows}".encode())
    if args.json:
        files.write_bytes(user_path(args.json), (json.dumps(report, indent=1) + "\n").encode())
    if args.out:
        save_learnt(program, learnt, user_path(args.out), tools)


def save_learnt(program: Program, learnt: Any, path: Path, tools: Toolbox) -> None:
    """Writes the program with the states as they are now."""
    if not program.trains:
        raise CompileError("GL412", f"{program.name} does not train: it has learnt nothing", hint="leave --out away")
    for graph in program.graphs:
        for state in graph.states:
            state.init = learnt[state.name]
    files.save(program, path, tools.ops)

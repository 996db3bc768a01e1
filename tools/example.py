"""The built-in example: a network that knows upright digits learns rotated ones on an emulated microcontroller."""

from __future__ import annotations

import argparse

from rich.console import Console

from gradlet.tools.compile import EXAMPLE, compile_source, finish
from gradlet.tools.datasets import load_dataset
from gradlet.tools.emulate import emulate, measured_memory
from gradlet.tools.evaluation import accuracy
from gradlet.tools.progress import bars
from gradlet.tools.settings import Settings
from gradlet.tools.training import steps_of, train

SCHEME = EXAMPLE.with_name("sparse.yaml")
DATA = "digits:1"  # a quarter turn
SETTINGS = Settings(epochs=2, lr=0.02, decay="linear")


def run_example(args: argparse.Namespace, console: Console) -> int:
    """Compiles, trains on the emulated device, and tells what it cost and what it brought."""
    args.scheme = args.scheme or str(SCHEME)
    args.emulate = False
    compiled = compile_source(args, console, str(EXAMPLE))
    with console.status("one step on the emulated device, compared with the reference"):
        emulate(compiled, args.seed)
    data, program = load_dataset(DATA), compiled.program
    session = compiled.open()
    try:
        with bars(console) as bar:
            before = accuracy(session, program, data.test, bar("rotated digits before training", len(data.test)))
            steps = steps_of(program, data.train, SETTINGS)
            train(session, program, data.train, SETTINGS, bar(f"training on {compiled.target.name}", steps))
            after = accuracy(session, program, data.test, bar("rotated digits after training", len(data.test)))
        compiled.report["memory"] |= measured_memory(session)
    finally:
        session.close()
    compiled.report["example"] = {"accuracy_before": before, "accuracy_after": after, "steps": steps}
    finish(compiled, args, console)
    console.print(f"\nrotated digits: {before:.1%} before, [bold]{after:.1%}[/bold] after {steps} steps on the device")
    return 0

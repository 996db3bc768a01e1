"""Finds the first pass that changes the numbers of a model, on random input in the reference executor.

gradlet bisect model.py:net --scheme last_4          prints the pass, what moved, and writes the graph before and after
"""

from __future__ import annotations

import argparse
from functools import partial

from rich.console import Console

from gradlet.ir import files
from gradlet.ir.passes import Context
from gradlet.ir.plugin import load
from gradlet.optimizers.bisect import Culprit, find_culprit
from gradlet.optimizers.pipelines import make_passes, parse_pipeline
from gradlet.tools import compile as compile_tool
from gradlet.tools.api import import_source, pass_options, quantized, usual_pipeline
from gradlet.tools.checks import difference, measure
from gradlet.tools.paths import user_path

HELP = "find the first pass that changes the numbers"
FOUND = 1


def configure(parser: argparse.ArgumentParser) -> None:
    compile_tool.configure(parser)
    parser.add_argument("--tolerance", type=float, default=1e-5, help="relative to the largest magnitude (%(default)s)")


def main(args: argparse.Namespace) -> int:
    console, options = Console(), compile_tool.options_of(args)
    tools = load(options.plugins)
    program = import_source(args.model or str(compile_tool.EXAMPLE), options, tools)
    context = Context(tools, tools.get("targets", options.target))
    quantized(program, options, context)
    calls = parse_pipeline(options.pipeline or usual_pipeline(options, program), pass_options(options))
    numbers = partial(measure, ops=tools.ops, seed=options.seed)
    culprit = find_culprit(program.graph, context, make_passes(tools, calls), numbers, args.tolerance)
    if culprit is None:
        console.print(f"no pass changes the numbers of {program.name} by more than {args.tolerance}")
        return 0
    _show(culprit, args, console)
    return FOUND


def _show(culprit: Culprit, args: argparse.Namespace, console: Console) -> None:
    moved = difference(culprit.after, culprit.before)
    console.print(f"[bold]{culprit.text}[/bold] moves {culprit.output} by {moved:.1e}", highlight=False)
    out = user_path(args.out or ".")
    for name, text in zip(("before.txt", "after.txt"), culprit.printed, strict=True):
        files.write_bytes(out / name, text.encode())
        console.print(f"wrote {out / name}", highlight=False)

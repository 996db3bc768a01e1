"""Prints a program, or converts it between the binary and the text form.

gradlet show net.gradlet                       the graph, readable
gradlet show net.gradlet --graph infer         the inference that belongs to a training step
gradlet show net.gradlet --to net.textproto    protobuf's text form; the other way round makes it binary
"""

from __future__ import annotations

import argparse

from gradlet.ir import files
from gradlet.ir.errors import CompileError
from gradlet.ir.plugin import load
from gradlet.tools.export import load_program
from gradlet.tools.paths import user_path

HELP = "print a program, or convert it between binary and text"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("program", help="what `gradlet compile` wrote, or a .tflite file with it")
    parser.add_argument("--graph", choices=("step", "infer"), default="step", help="which graph to print")
    parser.add_argument("--to", metavar="FILE", help="write the program there instead; .textproto makes it text")
    parser.add_argument("--plugin", action="append", default=[], metavar="MODULE:NAME", help="load this plugin too")


def main(args: argparse.Namespace) -> int:
    tools = load(args.plugin)
    path = user_path(args.program)
    program = load_program(path, tools)
    if args.to:
        for written in files.save(program, user_path(args.to), tools.ops):
            print(f"wrote {written}")
        return 0
    graph = program.graph if args.graph == "step" else program.infer
    if graph is None:
        raise CompileError("GL403", f"{path} has no inference graph", hint="show its step: leave --graph out")
    print(graph, end="")
    return 0

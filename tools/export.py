"""Writes what was learnt back into the .tflite file that was compiled.

gradlet export learnt.gradlet --model net.tflite --out trained.tflite

The program is one that `gradlet run --train --out` wrote. The file that is written has the operators, scales and
metadata of the model, with new weights and biases; a new head (`--classes`) is a dense layer in floats.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gradlet.frontends.tflite.associated_files import PLAN, REPORT
from gradlet.frontends.tflite.importer import DIGEST
from gradlet.frontends.tflite.model import read_file
from gradlet.frontends.tflite.packing import pack, unpack
from gradlet.frontends.tflite.writer import Learnt, write_back
from gradlet.ir import files, serialize
from gradlet.ir.backend import Session
from gradlet.ir.errors import CompileError
from gradlet.ir.plugin import Toolbox, load
from gradlet.ir.program import Program
from gradlet.ir.user_states import to_user
from gradlet.tools.api import Compiled
from gradlet.tools.evaluation import class_names
from gradlet.tools.paths import user_path

HELP = "write what was learnt back into a .tflite file"
SUFFIX = ".tflite"


def configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("program", help="what `gradlet run --train --out` wrote")
    add("--model", required=True, metavar="FILE.tflite", help="the model that was compiled")
    add("--out", required=True, metavar="FILE.tflite", help="write the trained model there")
    add("--plugin", action="append", default=[], metavar="MODULE:NAME", help="load this plugin too")


def main(args: argparse.Namespace) -> int:
    tools = load(args.plugin)
    program = load_program(user_path(args.program), tools)
    states = {state.name: state.init for state in program.graph.states}
    out = user_path(args.out)
    files.write_bytes(out, trained_model(program, states, read_file(user_path(args.model)), tools))
    print(f"wrote {out}")
    return 0


def export(compiled: Compiled, session: Session, model: str | Path, out: str | Path) -> None:
    """Writes a .tflite file with what a session has learnt; exported as `gradlet.export`.

    Args:
        compiled: A program that was compiled from a .tflite file.
        session: What `compiled.open()` returned.
        model: The file that was compiled.
        out: The file to write.
    """
    data = trained_model(compiled.program, session.states(), read_file(Path(model)), compiled.toolbox)
    files.write_bytes(Path(out), data)


def trained_model(program: Program, states: Mapping[str, np.ndarray], model: bytes, tools: Toolbox) -> bytes:
    """The bytes of a .tflite file with these states of a program.

    Raises:
        CompileError: GL403 if the program comes from elsewhere, GL119 if from another file.
    """
    if DIGEST not in program.metadata:
        hint = "compile the .tflite file itself, and train that program"
        raise CompileError("GL403", f"{program.name} was not compiled from a .tflite file", hint=hint)
    classes = program.metadata.get("classes", "")
    head = int(classes) if classes.isdecimal() else None
    learnt = Learnt(to_user(program.graph, states), head, program.metadata[DIGEST], class_names(program))
    return write_back(model, learnt, tools)


# --- The training plan, as a file that comes with the model.


def pack_plan(compiled: Compiled, model: Path, out: Path) -> None:
    """Writes a copy of a .tflite file that brings the compiled program and its report along.

    Raises:
        CompileError: GL403 if the model is no .tflite file.
    """
    if model.suffix != SUFFIX:
        what = f"{model} cannot bring a training plan along"
        raise CompileError("GL403", what, hint="leave --pack out, or compile a .tflite file")
    report = json.dumps(compiled.report, indent=1).encode() + b"\n"
    plan = {PLAN: serialize.to_bytes(compiled.program, compiled.toolbox.ops), REPORT: report}
    files.write_bytes(out, pack(read_file(model), plan))


def load_program(path: Path, tools: Toolbox) -> Program:
    """A program that gradlet wrote: a file of its own, or the training plan in a .tflite file.

    Raises:
        CompileError: GL402 if the .tflite file brings none along, GL003 to GL007 if the program is damaged.
    """
    if path.suffix != SUFFIX:
        return files.load(path, tools.ops)
    found = unpack(read_file(path))
    if PLAN not in found:
        hint = f"write one with `gradlet compile {path.name} --pack FILE.tflite`"
        raise CompileError("GL402", f"{path} brings no training plan along", hint=hint)
    return serialize.from_bytes(found[PLAN], tools.ops)

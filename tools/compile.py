"""Compiles a model into a training program for a device.

gradlet compile                                     the built-in example, trained on an emulated device
gradlet compile net.pt2 --target stm32f746 --out build
gradlet compile model.py:net --classes 10 --scheme last_2 --update momentum{momentum=0.9} --emulate

The model is a .pt2 file of torch.export, a function path.py:NAME that returns a torch module (or a module and its
sample input), a .pkl checkpoint of the MCUNet family, a .tflite file, or a program that gradlet wrote. Errors name the
place in the model and the next step.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from gradlet.ir.plugin import load
from gradlet.tools.api import Compiled, Options, compile_program, import_source
from gradlet.tools.emulate import emulate
from gradlet.tools.export import pack_plan
from gradlet.tools.paths import parse_bytes, user_path
from gradlet.tools.summary import show_summary

HELP = "compile a model into a training program"
EXAMPLE = Path(__file__).parents[1] / "examples" / "digits" / "digits.gradlet"


def configure(parser: argparse.ArgumentParser) -> None:
    default = Options()
    add = parser.add_argument
    add(
        "model",
        nargs="?",
        help="FILE.pt2, path.py:function, FILE.pkl, FILE.tflite, or a program (the built-in example)",
    )
    add("--target", default=default.target, help="device (%(default)s)")
    add("--out", metavar="DIR", help="write the artefacts, the program and report.json there")
    add("--pack", metavar="FILE.tflite", help="write a copy of a .tflite model that brings program and report along")
    add("--scheme", help=f"what learns: a name, a YAML or textproto file, none ({default.scheme})")
    add("--update", default=default.update, help="update rule, e.g. momentum{momentum=0.9} (%(default)s)")
    add("--gradients", default=default.gradients, help="of int8 layers: int8, int16, float32 (%(default)s)")
    add("--loss", default=default.loss, help="(%(default)s)")
    add("--prediction", type=int, default=default.prediction, metavar="N", help="output for the loss (%(default)s)")
    add("--classes", type=int, metavar="N", help="replace the head by one for N classes")
    add("--batch", type=int, metavar="N", help="batch size (that of the model's sample)")
    add("--ram-budget", metavar="BYTES", help="SRAM to fit into, e.g. 128KB (that of the target)")
    add("--backend", help="reference, tinyengine, tvm (that of the target)")
    add("--frontend", help="reader of the model (told from its name), e.g. mcunet{resolution=96}")
    add("--quantize", metavar="int8", help="make a float model int8, e.g. int8{ranges=kl} (docs/quantizing.md)")
    add("--calibration", metavar="DATA", help="samples for that: FILE.npz, FILE.npy, FOLDER, path.py:function")
    add("--emulate", action="store_true", help="build, run one inference and one step on the emulator, and compare")
    add("--seed", type=int, default=default.seed, help="of everything that is drawn (%(default)s)")
    add("--plugin", action="append", default=[], metavar="MODULE:NAME", help="load this plugin too")
    _configure_passes(parser.add_argument_group("passes"))


def _configure_passes(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--pipeline", help="passes with options, or the name of a pipeline")
    add("--dump_dir", metavar="DIR", help="print the graph there after every pass")
    add("--check", action="store_true", help="compare the numbers after every pass with those before it")
    add("--stop_after", metavar="PASS", help="last pass to run")
    add("--skip", action="append", default=[], metavar="PASS", help="leave this pass out")


def main(args: argparse.Namespace) -> int:
    console = Console()
    if args.model is None:
        from gradlet.tools.example import run_example

        return run_example(args, console)
    compiled = compile_source(args, console)
    finish(compiled, args, console)
    return 0


def options_of(args: argparse.Namespace) -> Options:
    """The options that the command line gives."""
    return Options(
        target=args.target,
        backend=args.backend,
        frontend=args.frontend,
        scheme=args.scheme or Options.scheme,
        loss=args.loss,
        prediction=args.prediction,
        update=args.update,
        gradients=args.gradients,
        classes=args.classes,
        quantize=args.quantize,
        calibration=args.calibration,
        batch=args.batch,
        ram_budget=parse_bytes(args.ram_budget) if args.ram_budget else None,
        pipeline=args.pipeline,
        dump_dir=user_path(args.dump_dir) if args.dump_dir else None,
        check=args.check,
        stop_after=args.stop_after,
        skip=tuple(args.skip),
        seed=args.seed,
        plugins=tuple(args.plugin),
    )


def compile_source(args: argparse.Namespace, console: Console, model: str | None = None) -> Compiled:
    """Imports and compiles, with a line of progress for each stage."""
    options = options_of(args)
    with console.status("loading plugins") as status:
        tools = load(options.plugins)
        status.update("importing the model")
        program = import_source(model or args.model, options, tools)
        status.update(f"compiling {program.name}")
        return compile_program(program, options, tools, status.update)


def finish(compiled: Compiled, args: argparse.Namespace, console: Console) -> None:
    """Emulates if asked to, prints the summary, writes the files."""
    if args.emulate:
        with console.status("running on the emulated device"):
            emulate(compiled, args.seed)
    show_summary(compiled.report, console)
    if args.out:
        for path in compiled.save(user_path(args.out)):
            console.print(f"wrote {path}", highlight=False)
    if args.pack:
        pack_plan(compiled, user_path(args.model or EXAMPLE), user_path(args.pack))
        console.print(f"wrote {user_path(args.pack)}", highlight=False)

"""What `gradlet compile` does, as functions: a model in, a compiled program out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from gradlet.ir import files
from gradlet.ir.backend import Artifact, Backend, Session
from gradlet.ir.errors import CompileError
from gradlet.ir.frontend import Frontend, ImportRequest
from gradlet.ir.graph import Graph
from gradlet.ir.options import Call, parse_calls, print_option
from gradlet.ir.passes import Context
from gradlet.ir.plugin import Toolbox, load
from gradlet.ir.program import Program
from gradlet.ir.target import Memory, Target
from gradlet.ir.user_states import from_user, to_user
from gradlet.optimizers.compilation import optimize, replan
from gradlet.optimizers.fit import check_fit
from gradlet.optimizers.schemes import FULL
from gradlet.tools.checks import numeric_check
from gradlet.tools.paths import parse_bytes, user_path, user_source
from gradlet.tools.picture import arena_picture
from gradlet.tools.quantization import quantization_record, quantize_program
from gradlet.tools.report import make_report

PROGRAM_SUFFIXES = (".gradlet", files.TEXT_SUFFIX)
SCHEME_SUFFIXES = (".yaml", ".yml", ".textproto")


# Fields of `Options` that a finished step has behind it.
_DECIDED = (
    "scheme",
    "loss",
    "update",
    "gradients",
    "classes",
    "quantize",
    "batch",
    "pipeline",
    "prediction",
    "check",
    "stop_after",
    "skip",
)


@dataclass(frozen=True)
class Options:
    """How to compile.

    Attributes:
        target: Name of the device.
        backend: Name; None takes the target's.
        frontend: Name, which may have options (`mcunet{resolution=96}`); None takes the first that accepts the source.
        scheme: What learns: the name of a scheme or a file; `none` compiles the inference alone.
        loss: Name of the loss.
        prediction: Which output of the model the loss is about, counted from 0.
        update: Update rule with options, e.g. `momentum{momentum=0.9}`.
        gradients: Of quantised values: int8, int16, float32; auto chooses for the target and the depth.
        classes: Replaces the head by one for so many classes, with a seeded initialisation.
        quantize: Makes a float model int8 with these options, e.g. `int8{ranges=kl}` (docs/quantizing.md).
        calibration: Samples for that: a file, an array, an iterable (`tools.calibration.load_calibration`).
        batch: Size of the batch axis; None keeps the model's.
        ram_budget: Bytes of SRAM to fit into, instead of the target's.
        pipeline: Passes to run, instead of the usual ones.
        dump_dir: Where the graph is printed after every pass.
        check: Compare the numbers after every pass with those before it.
        stop_after: Last pass to run.
        skip: Passes to leave out.
        seed: Of everything that is drawn.
        plugins: More plugins, `module:NAME`.
        import_options: Options of the frontend, beside those in `frontend`.
    """

    target: str = "stm32f746"
    backend: str | None = None
    frontend: str | None = None
    scheme: str = "full"
    loss: str = "softmax_cross_entropy"
    prediction: int = 0
    update: str = "sgd"
    gradients: str = "auto"
    classes: int | None = None
    quantize: str | None = None
    calibration: Any = field(default=None, compare=False)
    batch: int | None = None
    ram_budget: int | None = None
    pipeline: str | None = None
    dump_dir: Path | None = None
    check: bool = False
    stop_after: str | None = None
    skip: Sequence[str] = ()
    seed: int = 0
    plugins: Sequence[str] = ()
    import_options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Compiled:
    """A compiled program: its files, its report, and ways to run it."""

    program: Program
    target: Target
    backend: Backend
    toolbox: Toolbox
    artifact: Artifact
    report: dict[str, Any]

    def open(self) -> Session:
        """Runs it: on this machine, or on the target's emulator."""
        return self.backend.open(self.program, self.target, self.toolbox)

    def user_states(self, session: Session) -> dict[str, np.ndarray]:
        """What a session has learnt, for `module.load_state_dict(..., strict=False)`: the model's names and layout."""
        return to_user(self.program.graph, session.states())

    def set_user_states(self, session: Session, states: Mapping[str, np.ndarray]) -> None:
        """Overwrites states that can change with arrays of the user's model.

        Raises:
            CompileError: GL301 for a name or shape that the program does not have, or a state that does not learn.
        """
        session.set_states(from_user(self.program.graph, states))

    def save(self, folder: str | Path) -> list[Path]:
        """Writes the artefacts, the program and the report; returns what was written."""
        out = Path(folder)
        written = []
        for name, data in self.artifact.files.items():
            files.write_bytes(out / name, data)
            written.append(out / name)
        written += files.save(self.program, out / f"{self.program.name}.gradlet", self.toolbox.ops)
        written += list(self._write_pictures(out))
        files.write_bytes(out / "report.json", (json.dumps(self.report, indent=1) + "\n").encode())
        return [*written, out / "report.json"]

    def _write_pictures(self, out: Path) -> Iterator[Path]:
        for graph in self.program.graphs:
            if graph.plan and graph.plan.arena_bytes:
                path = out / f"{graph.name}.svg"
                files.write_bytes(path, arena_picture(graph).encode())
                yield path


def compile_module(model: Any, sample: Any = None, **options: Any) -> Compiled:
    """Compiles a PyTorch module, a program, or a source as on the command line; exported as `gradlet.compile`.

    Args:
        model: `torch.nn.Module`, `Program`, or the path of a file.
        sample: For a module: its example inputs, in its layout; the batch size is theirs, unless `batch` is given.
        **options: Fields of `Options`; sizes may be text (`ram_budget="128KB"`), paths too.

    Raises:
        CompileError: whatever is wrong with the model, the options, or the budget.
    """
    if isinstance(options.get("ram_budget"), str):
        options["ram_budget"] = parse_bytes(options["ram_budget"])
    if isinstance(options.get("dump_dir"), str):
        options["dump_dir"] = Path(options["dump_dir"])
    name = options.pop("name", None)
    chosen = Options(**options)
    tools = load(chosen.plugins)
    if isinstance(model, Program):
        return compile_program(model, chosen, tools)
    if isinstance(model, (str, Path)):
        return compile_program(import_source(str(model), chosen, tools), chosen, tools)
    from gradlet.frontends.pytorch.importer import import_module

    inputs = sample if isinstance(sample, tuple) else (sample,)
    name = name or type(model).__name__.lower()
    program = import_module(model, inputs, name=name, toolbox=tools, batch=chosen.batch)
    return compile_program(program, chosen, tools)


def import_source(source: str, options: Options, tools: Toolbox) -> Program:
    """Reads a model, or a program that an earlier stage wrote."""
    if source.endswith(PROGRAM_SUFFIXES):
        return files.load(Path(user_source(source)), tools.ops)
    chosen = _one_call(options.frontend) if options.frontend else None
    names = [chosen.name] if chosen else tools.names("frontends")
    for name in names:
        frontend: Frontend = tools.get("frontends", name)
        if chosen or frontend.accepts(source):
            told = _import_options(frontend, options, chosen.options if chosen else ())
            return frontend.load(ImportRequest(user_source(source), options.batch, told), tools)
    hint = f"give a .pt2, .pkl or .tflite file, path.py:function, or a program ({', '.join(PROGRAM_SUFFIXES)})"
    raise CompileError("GL402", f"no frontend reads {source}; there are: {', '.join(names)}", hint=hint)


def _import_options(frontend: Frontend, options: Options, given: Sequence[tuple[str, Any]]) -> dict[str, str]:
    """What is written for the frontend, and what it knows of the options of the whole compilation."""
    general = {"classes": options.classes, "seed": options.seed}
    known = {key: str(value) for key, value in general.items() if key in frontend.options and value is not None}
    written = {key: value if isinstance(value, str) else print_option(value) for key, value in given}
    return known | written | dict(options.import_options)


def compile_program(
    program: Program, options: Options, tools: Toolbox, progress: Callable[[str], None] = lambda line: None
) -> Compiled:
    """From a forward graph (or a finished step, which is only emitted anew) to files."""
    target: Target = tools.get("targets", options.target)
    if options.ram_budget is not None:
        sram = target.sram or Memory(0, options.ram_budget)
        target = replace(target, sram=replace(sram, bytes=min(options.ram_budget, sram.bytes)))
    backend: Backend = tools.get("backends", options.backend or target.backend)
    context = context_of(tools, target, backend)
    context.notes += program.metadata.get("note", "").splitlines()
    quantization = None
    if program.infer:
        _check_finished(program, options)
        replan(program, context)
        check_fit(program, target, program.graph, None)
    else:
        quantization = quantized(program, options, context, progress)
        _optimize(program, options, context, progress)
    progress(f"emitting {program.name} for {target.name}")
    artifact = backend.emit(program, target, tools)
    report = make_report(program, target, tools.ops, artifact.report, scheme=scheme_of(program), notes=context.notes)
    report["quantization"] = quantization
    return Compiled(program, target, backend, tools, artifact, report)


def quantized(
    program: Program, options: Options, context: Context, progress: Callable[[str], None] = lambda line: None
) -> dict[str, Any] | None:
    """Makes a forward program int8 if the options ask for it; returns what report.json tells about it."""
    if options.quantize is None:
        if options.calibration is not None:
            raise CompileError("GL403", "samples to calibrate with, but no --quantize", hint="add --quantize int8")
        return None
    progress(f"making {program.name} int8")
    report = quantize_program(
        program,
        context,
        options.quantize,
        options.calibration,
        classes=options.classes,
        seed=options.seed,
        prediction=options.prediction,
        learns=options.scheme != "none" and options.loss == "softmax_cross_entropy",
    )
    return quantization_record(report)


def _check_finished(program: Program, options: Options) -> None:
    """Raises GL403 for options about passes that have run already."""
    given = [name for name in _DECIDED if getattr(options, name) != getattr(Options, name)]
    if given:
        what = f"{program.name} is a finished training step: {', '.join(given)} cannot be chosen any more"
        raise CompileError("GL403", what, hint="compile the model itself anew; target, backend and budget may change")


def scheme_of(program: Program) -> str:
    """What learns, as the passes that have run were told; `none` where the program does not train."""
    calls = [call for text in program.pipeline for call in parse_calls(text)]
    schemes = [str(dict(c.options).get("scheme", FULL)) for c in calls if c.name == "sparse_update"]
    return schemes[-1] if schemes else FULL if program.trains else "none"


def context_of(tools: Toolbox, target: Target, backend: Backend) -> Context:
    """What passes have to know of where the program will run."""

    def choose(graph: Graph) -> None:
        backend.choose(Program(graph), target, tools)

    return Context(tools, target, choose)


def _optimize(program: Program, options: Options, context: Context, progress: Callable[[str], None]) -> None:
    """Runs the passes that the options ask for."""
    optimize(
        program,
        context,
        options.pipeline or usual_pipeline(options, program),
        options=pass_options(options),
        dump_dir=options.dump_dir,
        check=numeric_check(context.ops, options.seed) if options.check else None,
        stop_after=options.stop_after,
        skip=options.skip,
        progress=lambda record: progress(f"{record.text}: {record.nodes} nodes"),
    )


def usual_pipeline(options: Options, program: Program) -> str:
    """The passes that run unless the user names others; a head that the frontend has made is not replaced."""
    made = program.metadata.get("classes") == str(options.classes)
    head = "replace_head," if options.classes is not None and not made else ""
    return head + ("inference" if options.scheme == "none" else "train")


def pass_options(options: Options) -> dict[str, dict[str, object]]:
    """What the options say to the passes of the usual pipeline; passes that the user wrote have their own options."""
    if options.pipeline:
        return {}
    return {
        "replace_head": {"classes": str(options.classes), "seed": str(options.seed)},
        "sparse_update": {"scheme": _scheme(options.scheme)},
        "differentiate": {
            "loss": options.loss,
            "update": _one_call(options.update),
            **({"prediction": str(options.prediction)} if options.prediction else {}),
        },
        "quantize_gradients": {"dtype": options.gradients},
    }


def _scheme(text: str) -> Call:
    """`last_4{ratio=0.5}`, or the path of a file, which is the user's."""
    name, brace, options = text.partition("{")
    if Path(name).suffix in SCHEME_SUFFIXES:
        return Call(str(user_path(name)), _one_call(f"file{brace}{options}").options)
    return _one_call(text)


def _one_call(text: str) -> Call:
    calls = parse_calls(text)
    if len(calls) != 1:
        raise CompileError("GL403", f"`{text}` is not one name with options", hint="write e.g. momentum{momentum=0.9}")
    return calls[0]

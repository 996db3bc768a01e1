"""Makes the program of a compilation int8 where its options ask for that, and shows what it cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from gradlet.ir.arguments import prediction_of
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph
from gradlet.ir.op_def import OpSet
from gradlet.ir.options import build, parse_calls
from gradlet.ir.passes import Context
from gradlet.ir.program import Program
from gradlet.optimizers.quantization.calibration import run
from gradlet.optimizers.quantization.options import QuantizeOptions
from gradlet.optimizers.quantization.quantize import prepare, quantize
from gradlet.optimizers.quantization.ranges import Range
from gradlet.optimizers.quantization.report import QuantizationReport, quantized_feed
from gradlet.tools.calibration import Feed, load_calibration
from gradlet.tools.distillation import distill
from gradlet.tools.preprocessing import Preprocessing, completed

_EXAMPLE = "--quantize int8{ranges=mse} --calibration samples.npz"


def quantize_options(text: str) -> QuantizeOptions:
    """`int8`, or `int8{ranges=kl,weights=per_tensor}`."""
    calls = parse_calls(text)
    if len(calls) != 1 or calls[0].name != "int8":
        wide = [call.name for call in calls] == ["int16"]
        hint = "write int8{activations=int16}: weights are int8" if wide else f"write e.g. {_EXAMPLE}"
        raise CompileError("GL403", f"--quantize {text}", hint=hint)
    return build(QuantizeOptions, calls[0])


def quantize_program(
    program: Program,
    context: Context,
    method: str,
    calibration: Any,
    *,
    classes: int | None,
    seed: int,
    prediction: int,
    learns: bool = False,
) -> QuantizationReport:
    """Turns a float program into int8; a new head for `classes` is drawn before, because int8 ones are not replaced.

    Args:
        learns: Whether softmax cross-entropy will train it: the logits then get a range in which it can.

    Raises:
        CompileError: GL430 without samples; whatever is wrong with the samples, the options or the model.
    """
    options = quantize_options(method)
    if calibration is None:
        raise CompileError("GL430", f"--quantize {method} without samples", hint=f"add them: {_EXAMPLE}")
    made = program.metadata.get("classes") == str(classes)
    head = "" if classes is None or made else f"replace_head{{classes={classes},seed={seed}}},"
    prepare(program, context, f"{head}forward{',equalize' if options.equalize else ''}")
    if head:
        program.metadata = {**program.metadata, "classes": str(classes)}
    preprocessing = completed(Preprocessing(mean=options.mean, std=options.std), program)
    program.metadata = {**program.metadata, **_normalisation(program.graph, options, preprocessing)}
    exact = program.graph
    logits = prediction_of(exact.outputs, prediction)
    data = load_calibration(calibration, exact, options.samples, seed, preprocessing)

    def learned(student: Graph, teacher: Graph) -> dict[str, np.ndarray]:
        tools, steps = context.toolbox, options.qat_steps
        return distill(student, teacher, data.feeds, tools, steps=steps, lr=options.qat_lr, prediction=prediction)

    train = learned if options.qat_steps else None
    least = {logits: _room(logits.type.shape[-1])} if learns and logits.type.shape else {}
    report = quantize(program, context, data.feeds, options, new_head=classes is not None, least=least, train=train)
    if data.labels is None or classes is not None:
        return report
    graphs = {"float32": exact, "int8": program.graph}
    scores = {name: _accuracy(g, context.ops, data.feeds, data.labels, prediction) for name, g in graphs.items()}
    return replace(report, accuracy=scores)


def _room(classes: int) -> Range:
    """A range of logits that lets softmax cross-entropy fall to exp(-8): log(1 + (classes - 1) exp(low - high)).

    The logits of a model that knows little yet are small, and a range as small would end what it learns.
    """
    end = (8 + math.log(classes)) / 2
    return -end, end


def _normalisation(graph: Graph, options: QuantizeOptions, chosen: Preprocessing) -> dict[str, str]:
    """Metadata that tell whoever runs the program what becomes of pixels, as `preprocessing.completed` reads them."""
    if options.inputs == "float32" and options.mean is None and options.std is None:
        return {}
    name = next(v.name for v in graph.inputs if v.type.shape)
    facts = {"mean": chosen.mean or (0.0,), "std": chosen.std or (1.0,)}
    return {f"input.{name}.{key}": ",".join(str(255 * n) for n in numbers) for key, numbers in facts.items()}


def _accuracy(graph: Graph, ops: OpSet, feeds: Sequence[Feed], labels: np.ndarray, prediction: int) -> float:
    """Share of the calibration samples whose largest prediction is that of their class."""
    name = graph.outputs[prediction].name
    found = np.concatenate([run(graph, ops, quantized_feed(graph, feed))[name] for feed in feeds])
    return float(np.mean(found.reshape(len(found), -1).argmax(axis=1)[: len(labels)] == labels))


def quantization_record(report: QuantizationReport) -> dict[str, Any]:
    """As `quantization` of report.json."""
    record = asdict(report)
    record["in_float"] = [dict(zip(("op", "place", "why"), row, strict=True)) for row in report.in_float]
    return record


def show_quantization(record: Mapping[str, Any], console: Console) -> None:
    """Prints the record as a table."""
    table = Table(box=None, padding=(0, 2))
    console.print(f"  {record['method']}, calibrated with {record['samples']} samples", highlight=False)
    table.add_column("tensor", no_wrap=True)
    for title in ("op", "scale", "zero point", "SNR, dB"):
        table.add_column(title, justify="right")
    for tensor in record["tensors"]:
        numbers = f"{tensor['scale']:.4g}", str(tensor["zero_point"]), _db(tensor["snr_db"])
        table.add_row(tensor["place"] or "-", tensor["op"], *numbers)
    for name, ratio in record["outputs"].items():
        table.add_row(f"[bold]{name}", "output", "", "", f"[bold]{_db(ratio)}")
    console.print(table)
    for row in record["in_float"]:
        console.print(f"  in float32: {row['op']} {row['place']}: {row['why']}", highlight=False)
    if record["accuracy"]:
        found = ", ".join(f"{name} {value:.2%}" for name, value in record["accuracy"].items())
        console.print(f"  accuracy on the calibration samples: {found}")


def _db(ratio: float | None) -> str:
    return "exact" if ratio is None else f"{ratio:.1f}"

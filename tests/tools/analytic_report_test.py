"""The memory that the paper counts stands beside the real one, in the report and where it is printed."""

import io

from rich.console import Console

from gradlet.ir.program import Program
from gradlet.tests.int8_models import residual_stage
from gradlet.tools.api import compile_module
from gradlet.tools.summary import show_summary


def _printed(report) -> str:
    console = Console(file=io.StringIO(), width=120)
    show_summary(report, console)
    return console.file.getvalue()


def test_both_memories_are_reported():
    """The last projection reads half of 12 channels; head and bias as they are."""
    program = Program(residual_stage())
    report = compile_module(program, target="x86_64", backend="reference", scheme="last_1{ratio=0.5}").report
    counted = {"weights": 8 * 6, "biases": 8 * 4, "inputs": 6 * 6 * 6 + 8, "masks": 6 * 6 * 8 // 8}
    assert report["analytic_memory"] == {"total": sum(counted.values()), **counted}
    assert report["memory"]["arena"] > 0
    assert f"analytic memory       {sum(counted.values())} B (0.3 KB)" in _printed(report)


def test_an_inference_has_no_such_memory():
    report = compile_module(Program(residual_stage()), target="x86_64", backend="reference", scheme="none").report
    assert report["analytic_memory"] is None
    assert "analytic" not in _printed(report)

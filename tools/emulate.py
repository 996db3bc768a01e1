"""Runs a compiled program once on its device and compares it with the reference."""

from __future__ import annotations

import numpy as np

from gradlet.backends.reference import BACKEND as REFERENCE
from gradlet.ir.backend import Session
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph
from gradlet.tools.api import Compiled
from gradlet.tools.checks import difference, sample

TOLERANCE = 1e-4


def emulate(compiled: Compiled, seed: int = 0) -> None:
    """Fills `instructions`, `memory` and `emulation` of the report from one inference and one training step.

    Raises:
        CompileError: GL404 if a result differs from the reference by more than 1e-4 of its largest magnitude.
    """
    program, report = compiled.program, compiled.report
    device, reference = compiled.open(), REFERENCE.open(program, compiled.target, compiled.toolbox)
    try:
        feed = _feed(program.infer or program.graph, seed)
        found = {"outputs": _largest(device.infer(feed), reference.infer(feed))}
        report["instructions"]["forward"] = getattr(device, "instructions", None)
        if program.trains:
            feed = _feed(program.graph, seed)
            found["step"] = _largest(device.train_step(feed), reference.train_step(feed))
            report["instructions"]["train_step"] = getattr(device, "instructions", None)
            found["states"] = _largest(device.states(), reference.states())
        report["memory"] |= measured_memory(device)
    finally:
        device.close()
        reference.close()
    report["emulation"] = found
    for what, error in found.items():
        if not error <= TOLERANCE:
            message = f"{what} of {program.name} on {compiled.target.name} differ from the reference by {error:.1e}"
            raise CompileError("GL404", message, hint="report this: `gradlet bisect` finds the pass or the kernel")


def measured_memory(session: Session) -> dict[str, int]:
    """The `memory` of a report as the session measured it; nothing where it runs on this machine."""
    memory = getattr(session, "memory", None)
    return memory() if memory else {}


def _feed(graph: Graph, seed: int) -> dict[str, np.ndarray]:
    return {v.name: sample(v, seed) for v in graph.inputs}


def _largest(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> float:
    assert found.keys() == expected.keys(), f"{sorted(found)} against {sorted(expected)}"
    # numpy's maximum is NaN if one is; Python's would hide it.
    return float(np.max([difference(found[name], expected[name]) for name in found], initial=0.0))

"""Runs a compiled program once on its device and compares it with the reference."""

from __future__ import annotations

import numpy as np

from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir.backend import Arrays, Session
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph
from gradlet.tools.api import Compiled
from gradlet.tools.checks import difference, sample

TOLERANCE = 1e-4
# Where numbers cancel (the bias before a batch norm has no gradient but rounding errors), the float32 reference itself
# is far from the truth, which is what float64 gives; a device may miss that by some times as much.
CANCELLED = 16


def emulate(compiled: Compiled, seed: int = 0) -> None:
    """Fills `instructions`, `memory` and `emulation` of the report from one inference and one training step.

    Raises:
        CompileError: GL404 if a result differs from the reference by more than 1e-4 of its largest magnitude.
    """
    program, report = compiled.program, compiled.report
    device = compiled.open()
    references = [ReferenceSession(program, compiled.toolbox, float64=exact) for exact in (False, True)]
    try:
        feed = _feed(program.infer or program.graph, seed)
        found = {"outputs": _largest(device.infer(feed), *(r.infer(feed) for r in references))}
        report["instructions"]["forward"] = getattr(device, "instructions", None)
        if program.trains:
            feed = _feed(program.graph, seed)
            found["step"] = _largest(device.train_step(feed), *(r.train_step(feed) for r in references))
            report["instructions"]["train_step"] = getattr(device, "instructions", None)
            found["states"] = _largest(device.states(), *(r.states() for r in references))
        report["memory"] |= measured_memory(device)
    finally:
        device.close()
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


def _largest(found: Arrays, rounded: Arrays, exact: Arrays) -> float:
    assert found.keys() == rounded.keys(), f"{sorted(found)} against {sorted(rounded)}"
    errors = [_error(found[name], rounded[name], exact[name]) for name in found]
    return float(np.max(errors, initial=0.0))  # NaN if one is; Python's maximum would hide it


def _error(found: np.ndarray, rounded: np.ndarray, exact: np.ndarray) -> float:
    """The difference from the reference; 0 for one beyond the tolerance that rounding alone explains."""
    error = difference(found, rounded)
    if error > TOLERANCE and _distance(found, exact) <= CANCELLED * _distance(rounded, exact):
        return 0.0
    return error


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.max(np.abs(a.astype(np.float64) - b), initial=0.0))

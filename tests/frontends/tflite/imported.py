"""Imports models and runs what they became."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from gradlet.backends.reference.executor import Executor
from gradlet.frontends.tflite.importer import ImportOptions, import_model
from gradlet.frontends.tflite.model import parse
from gradlet.ir.plugin import Toolbox, load
from gradlet.ir.program import Program
from gradlet.ir.verifier import verify


@cache
def toolbox() -> Toolbox:
    return load(installed=False)


def imported(data: bytes, batch: int | None = None, **options: Any) -> Program:
    program = import_model(parse(data), ImportOptions(**options), toolbox(), "net", batch)
    verify(program.graph, toolbox().ops)
    return program


def computed(program: Program, *feeds: np.ndarray) -> np.ndarray:
    """The first output."""
    graph = program.graph
    named = {value.name: array for value, array in zip(graph.inputs, feeds, strict=True)}
    return Executor(graph, toolbox().ops).run(named)[graph.outputs[0].name]


def real(stored: np.ndarray, scale: float, zero: int) -> np.ndarray:
    """What integers stand for, in float32."""
    return (stored.astype(np.float32) - np.float32(zero)) * np.float32(scale)

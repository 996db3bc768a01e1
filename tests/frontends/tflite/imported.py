"""Imports models and runs what they became."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from gradlet.backends.reference.executor import Executor
from gradlet.frontends.tflite.endings import logits_of
from gradlet.frontends.tflite.importer import ImportOptions, import_model
from gradlet.frontends.tflite.model import parse
from gradlet.ir.graph import Graph
from gradlet.ir.plugin import Toolbox, load
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType
from gradlet.ir.verifier import verify
from gradlet.tests.frontends.tflite.written import interpreted


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


def inputs(graph: Graph, count: int) -> list[np.ndarray]:
    """Random ones for the first input."""
    rng, type_ = np.random.default_rng(0), graph.inputs[0].type
    if type_.dtype is DType.I8:
        return [rng.integers(-128, 128, type_.shape).astype(np.int8) for _ in range(count)]
    return [rng.normal(size=type_.shape).astype(np.float32) for _ in range(count)]


def logits(data: bytes, x: np.ndarray) -> np.ndarray:
    """What TensorFlow's interpreter puts into the last softmax, or out where there is none, as floats."""
    model = parse(data)
    tensor = logits_of(model, model.outputs[0])
    found = interpreted(data, x, tensor.index)
    if tensor.quantization is None:
        return found
    return real(found, tensor.quantization.scales[0], tensor.quantization.zero_points[0])

"""A frontend: reads nets from .layers files, JSON like {"input": [4, 8], "layers": [16, "softplus", 3], "seed": 0}."""

import json
from pathlib import Path

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.frontend import Frontend, ImportRequest
from gradlet.ir.graph import Graph, Value
from gradlet.ir.op_def import Emit
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import f32


def _load(request: ImportRequest, toolbox: Toolbox) -> Program:
    """A number is a dense layer with so many outputs, a word an op with one operand."""
    path = Path(request.source)
    try:
        described = json.loads(path.read_text())
        shape, layers = described["input"], described["layers"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CompileError("GL101", f"{path} cannot be read: {error}", hint="see gradlet_example/layers.py") from error
    graph = Graph(path.stem)
    x = graph.add_input("x", f32(request.batch or shape[0], *shape[1:]))
    rng = np.random.default_rng(described.get("seed", 0))
    for index, layer in enumerate(layers):
        emit = Emit(toolbox.ops, graph, loc=f"layers.{index}")
        x = _dense(emit, x, layer, rng) if isinstance(layer, int) else emit(layer, x)
    x.name = "logits"
    graph.outputs = [x]
    return Program(graph)


def _dense(emit: Emit, x: Value, outputs: int, rng: np.random.Generator) -> Value:
    inputs = x.type.shape[-1]
    weight = (rng.normal(size=(outputs, inputs)) * np.sqrt(2 / inputs)).astype(np.float32)
    bias = np.zeros(outputs, np.float32)
    w = emit.graph.add_state(f"{emit.loc}.weight", weight, f32(outputs, inputs), trainable=True)
    b = emit.graph.add_state(f"{emit.loc}.bias", bias, f32(outputs), trainable=True)
    return emit("dense", x, w, b)


FRONTEND = Frontend("layers", lambda source: source.endswith(".layers"), _load)

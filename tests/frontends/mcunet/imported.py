"""Imports checkpoints and runs what they became."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gradlet.backends.reference.executor import Executor
from gradlet.frontends.mcunet import FRONTEND
from gradlet.frontends.mcunet.checkpoint import network
from gradlet.frontends.mcunet.importer import ImportOptions, import_network
from gradlet.frontends.mcunet.pickled import unpickled
from gradlet.ir.frontend import ImportRequest
from gradlet.ir.graph import Graph
from gradlet.ir.plugin import Toolbox, load
from gradlet.ir.program import Program
from gradlet.ir.verifier import verify
from gradlet.tests.small_checkpoint import pickled


@cache
def toolbox() -> Toolbox:
    return load(installed=False)


def imported(path: Path, batch: int | None = None, **options: Any) -> Program:
    told = {name: str(value) for name, value in options.items()}
    program = FRONTEND.load(ImportRequest(str(path), batch, told), toolbox())
    verify(program.graph, toolbox().ops)
    return program


def imported_content(content: Any, batch: int = 1, **options: Any) -> Program:
    """As `imported`, of what a checkpoint holds."""
    described = network(unpickled(pickled(content)))
    program = import_network(described, ImportOptions(**options), toolbox(), "net", batch)
    verify(program.graph, toolbox().ops)
    return program


def activations(graph: Graph, image: np.ndarray) -> dict[str, np.ndarray]:
    """Place -> result of each op with int8 sums, sum of a residual, and pooling."""
    wanted = [n for n in graph.nodes if n.op.startswith("q")]
    graph.outputs = [n.outputs[0] for n in wanted]
    results = Executor(graph, toolbox().ops).run({"image": image})
    return {n.loc: results[n.outputs[0].name] for n in wanted}

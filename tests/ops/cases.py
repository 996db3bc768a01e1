"""Every example of every op of every loaded plugin, and graphs made of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradlet.ir.graph import Graph, Role, Value
from gradlet.ir.op_def import Emit, Example, OpDef
from gradlet.ir.plugin import load

# GRADLET_TEST_PLUGINS: further plugins to test, "module:NAME" separated by commas.
TOOLBOX = load([p for p in os.environ.get("GRADLET_TEST_PLUGINS", "").split(",") if p])
OPS = sorted(TOOLBOX.ops, key=lambda op: op.name)


@dataclass(frozen=True, eq=False)
class Case:
    """One example of an op."""

    op: OpDef
    number: int

    @property
    def example(self) -> Example:
        return self.op.examples[self.number]

    def __str__(self) -> str:
        return f"{self.op.name}-{self.number}"

    def arguments(self, seed: int = 0) -> list[np.ndarray]:
        """Float32 inputs; another seed draws others."""
        return self.example.sample(self.example.types, np.random.default_rng([seed, self.number]))


CASES = [Case(op, k) for op in OPS for k in range(len(op.examples))]


def doubled(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The same numbers in double precision, where they are of floating point."""
    return [a.astype(np.float64) if a.dtype == np.float32 else a for a in arrays]


def add_case(graph: Graph, case: Case, prefix: str = "", seed: int = 0) -> tuple[list[Value], list[Value]]:
    """Adds the node of an example: (inputs, outputs). What the op overwrites is a state, all else an input."""
    outputs = case.op.infer(case.example.types, case.example.attrs)
    written = set(case.op.overwritten(len(outputs), len(case.example.types)).values())
    inputs = [
        graph.add_state(f"{prefix}{i}", array, type_, Role.BUFFER)
        if i in written
        else graph.add_input(f"{prefix}{i}", type_)
        for i, (type_, array) in enumerate(zip(case.example.types, case.arguments(seed), strict=True))
    ]
    emit = Emit(TOOLBOX.ops, graph, loc=case.op.name)
    return inputs, emit.node(case.op.name, *inputs, **case.example.attrs).outputs


def graph_of(case: Case) -> Graph:
    """A graph of this one node, which returns all it computes."""
    graph = Graph("case")
    graph.outputs = list(add_case(graph, case, prefix="x")[1])
    return graph

"""A program that runs in numpy, behind the interface of all backends."""

from __future__ import annotations

import numpy as np

from gradlet.backends.reference.executor import Executor
from gradlet.ir.arguments import check_arrays, check_inputs
from gradlet.ir.backend import Arrays, Artifact
from gradlet.ir.graph import written_states
from gradlet.ir.plugin import Toolbox
from gradlet.ir.printer import print_graph
from gradlet.ir.program import Program
from gradlet.ir.target import Target


class ReferenceSession:
    """Both graphs of a program on one set of states."""

    def __init__(self, program: Program, toolbox: Toolbox, *, in_arena: bool = False, float64: bool = False):
        self.program = program
        self._states: dict[str, np.ndarray] = {}

        def executor(graph_index: int) -> Executor:
            graph = program.graphs[graph_index]
            return Executor(graph, toolbox.ops, self._states, in_arena=in_arena, float64=float64)

        self._step = executor(0)
        self._infer = executor(-1)
        self._changeable = written_states(program.graph)

    def infer(self, inputs: Arrays) -> dict[str, np.ndarray]:
        assert self.program.infer or not self.program.trains, f"{self.program.name} was made without an inference"
        return self._run(self._infer, inputs)

    def train_step(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return self._run(self._step, inputs)

    def _run(self, executor: Executor, inputs: Arrays) -> dict[str, np.ndarray]:
        check_inputs(inputs, executor.graph.inputs, executor.graph.name)
        return executor.run(inputs)

    def states(self) -> dict[str, np.ndarray]:
        return {s.name: self._states[s.name].copy() for s in self.program.graph.states}

    def set_states(self, states: Arrays) -> None:
        check_arrays(states, self._changeable, "changeable state")
        for name, array in states.items():
            self._states[name] = np.array(array, self._states[name].dtype)

    def close(self) -> None:
        self._states.clear()


def open_session(program: Program, target: Target, toolbox: Toolbox) -> ReferenceSession:
    return ReferenceSession(program, toolbox)


def emit(program: Program, target: Target, toolbox: Toolbox) -> Artifact:
    """The printed graphs: what the reference executor runs needs no other form."""
    return Artifact({f"{g.name}.txt": print_graph(g).encode() for g in program.graphs})

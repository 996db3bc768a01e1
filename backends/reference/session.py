"""A program that runs in numpy, behind the interface of all backends."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

import numpy as np

from gradlet.backends.reference.executor import Executor
from gradlet.ir.backend import Arrays, Artifact
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Value, written_states
from gradlet.ir.plugin import Toolbox
from gradlet.ir.printer import print_graph
from gradlet.ir.program import Program
from gradlet.ir.target import Target
from gradlet.ir.tensor_type import dtype_of


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
        self._changeable = {v.name: v for v in written_states(program.graph)}

    def infer(self, inputs: Arrays) -> dict[str, np.ndarray]:
        assert self.program.infer or not self.program.trains, f"{self.program.name} was made without an inference"
        return self._run(self._infer, inputs)

    def train_step(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return self._run(self._step, inputs)

    def _run(self, executor: Executor, inputs: Arrays) -> dict[str, np.ndarray]:
        wanted = {v.name: v for v in executor.graph.inputs}
        _check_arrays(inputs, wanted, "input")
        missing = [name for name in wanted if name not in inputs]
        if missing:
            raise CompileError("GL301", f"{executor.graph.name}: no array is given for input {', '.join(missing)}")
        return executor.run(inputs)

    def states(self) -> dict[str, np.ndarray]:
        return {s.name: self._states[s.name].copy() for s in self.program.graph.states}

    def set_states(self, states: Arrays) -> None:
        _check_arrays(states, self._changeable, "changeable state")
        for name, array in states.items():
            self._states[name] = np.array(array, self._states[name].dtype)

    def close(self) -> None:
        self._states.clear()


def _check_arrays(given: Arrays, wanted: Mapping[str, Value], kind: str) -> None:
    for name, array in given.items():
        if name not in wanted:
            near = get_close_matches(name, wanted, 3, 0)
            raise CompileError("GL301", f"the program has no {kind} {name!r}", hint=f"there is {', '.join(near)}")
        type_ = wanted[name].type
        fits = np.shape(array) == type_.shape and dtype_of(np.asarray(array)).is_float == type_.dtype.is_float
        if not fits:
            found = f"{np.asarray(array).dtype}{list(np.shape(array))}"
            raise CompileError("GL301", f"{kind} {name!r} is {type_}, not {found}")


def open_session(program: Program, target: Target, toolbox: Toolbox) -> ReferenceSession:
    return ReferenceSession(program, toolbox)


def emit(program: Program, target: Target, toolbox: Toolbox) -> Artifact:
    """The printed graphs: what the reference executor runs needs no other form."""
    return Artifact({f"{g.name}.txt": print_graph(g).encode() for g in program.graphs})

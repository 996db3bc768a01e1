"""A program that runs through TVM on this machine."""

from __future__ import annotations

import numpy as np

from gradlet.backends.tvm.build import build
from gradlet.backends.tvm.calls import calls
from gradlet.backends.tvm.layout import places, plan_of
from gradlet.backends.tvm.memory import Arena, loaded, stored
from gradlet.backends.tvm.runner import Memory, Runner, check_arrays
from gradlet.ir.backend import Arrays
from gradlet.ir.graph import State, written_states
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program


class TvmSession:
    """Both graphs of a program on one arena and one set of states.

    Attributes:
        arena: The memory of all transient values, and of the kernels while they run.
    """

    def __init__(self, program: Program, toolbox: Toolbox):
        plans = [plan_of(graph, toolbox.ops) for graph in program.graphs]
        kernels = toolbox.kernels("tvm")
        lists = [calls(g, kernels, places(g, plan)) for g, plan in zip(program.graphs, plans, strict=True)]
        built = build((call.kernel, call.case) for list_ in lists for call in list_)
        self.program = program
        self.arena = Arena(max(plan.arena_bytes for plan in plans))
        self._changeable = {v.name: v for v in written_states(program.graph)}
        self._states = {s.name: _own(s, s.name in self._changeable) for g in reversed(program.graphs) for s in g.states}
        self._graphs = [
            Runner(graph, Memory(graph, plan, self.arena.bytes, self._states), list_, built)
            for graph, plan, list_ in zip(program.graphs, plans, lists, strict=True)
        ]

    def infer(self, inputs: Arrays) -> dict[str, np.ndarray]:
        assert self.program.infer or not self.program.trains, f"{self.program.name} was made without an inference"
        return self._graphs[-1].run(inputs)

    def train_step(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return self._graphs[0].run(inputs)

    def states(self) -> dict[str, np.ndarray]:
        return {s.name: loaded(self._states[s.name], s.value.type) for s in self.program.graph.states}

    def set_states(self, states: Arrays) -> None:
        check_arrays(states, self._changeable, "changeable state")
        for name, array in states.items():
            self._states[name][...] = stored(array, self._changeable[name].type)

    def close(self) -> None:
        self._graphs.clear()
        self._states.clear()


def _own(state: State, written: bool) -> np.ndarray:
    """The memory of a state: the initial content itself where nothing changes it."""
    memory = stored(state.init, state.value.type)
    return memory.copy() if written else memory

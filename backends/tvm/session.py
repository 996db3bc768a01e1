"""A program that runs through TVM on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradlet.backends.tvm.build import build
from gradlet.backends.tvm.calls import Call, calls
from gradlet.backends.tvm.layout import Place, places, plan_of
from gradlet.backends.tvm.memory import Arena, loaded, stored, tensor, view
from gradlet.ir.backend import Arrays
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, State, Value, written_states
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program
from gradlet.ir.updates import region_index


class TvmSession:
    """Both graphs of a program on one arena and one set of states.

    Attributes:
        arena: The memory of all transient values.
    """

    def __init__(self, program: Program, toolbox: Toolbox):
        plans = [plan_of(graph, toolbox.ops) for graph in program.graphs]
        placed = [places(graph, plan) for graph, plan in zip(program.graphs, plans, strict=True)]
        kernels = toolbox.kernels("tvm")
        lists = [calls(graph, kernels, at) for graph, at in zip(program.graphs, placed, strict=True)]
        built = build((call.kernel, call.case) for list_ in lists for call in list_)
        self.program = program
        self.arena = Arena(max(plan.arena_bytes for plan in plans))
        self._changeable = {v.name: v for v in written_states(program.graph)}
        self._memory = {s.name: _own(s, s.name in self._changeable) for g in reversed(program.graphs) for s in g.states}
        self._graphs = [
            _Runner(graph, list_, built, {v: self._at(v, p) for v, p in at.items()})
            for graph, list_, at in zip(program.graphs, lists, placed, strict=True)
        ]

    def _at(self, value: Value, place: Place) -> np.ndarray:
        return self._memory[place.state] if place.state else view(self.arena.bytes[place.offset :], value.type)

    def infer(self, inputs: Arrays) -> dict[str, np.ndarray]:
        assert self.program.infer or not self.program.trains, f"{self.program.name} was made without an inference"
        return self._graphs[-1].run(inputs)

    def train_step(self, inputs: Arrays) -> dict[str, np.ndarray]:
        return self._graphs[0].run(inputs)

    def states(self) -> dict[str, np.ndarray]:
        return {s.name: loaded(self._memory[s.name], s.value.type) for s in self.program.graph.states}

    def set_states(self, states: Arrays) -> None:
        _check(states, self._changeable, "changeable state")
        for name, array in states.items():
            self._memory[name][...] = stored(array, self._changeable[name].type)

    def close(self) -> None:
        self._graphs.clear()
        self._memory.clear()


class _Runner:
    """One graph whose calls are bound to memory."""

    def __init__(self, graph: Graph, calls_: list[Call], built: Mapping[Any, Any], memory: Mapping[Value, np.ndarray]):
        self._graph = graph
        self._inputs = {v.name: v for v in graph.inputs}
        self._memory = memory
        tensors = {v: tensor(array) for v, array in memory.items()}

        def argument(call: Call, value: Value) -> Any:
            if value not in call.parts:
                return tensors[value]
            return tensor(memory[value][region_index(memory[value], call.node.attrs)])

        self._calls = [
            (built[call.kernel, call.case], tuple(argument(call, v) for v in call.arguments)) for call in calls_
        ]

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        _check(inputs, self._inputs, "input")
        missing = [name for name in self._inputs if name not in inputs]
        if missing:
            raise CompileError("GL301", f"{self._graph.name}: no array is given for input {', '.join(missing)}")
        for name, value in self._inputs.items():
            self._memory[value][...] = stored(inputs[name], value.type)
        for function, arguments in self._calls:
            function(*arguments)
        return {v.name: loaded(self._memory[v], v.type) for v in self._graph.outputs}


def _own(state: State, written: bool) -> np.ndarray:
    """The memory of a state: the initial content itself where nothing changes it."""
    memory = stored(state.init, state.value.type)
    return memory.copy() if written else memory


def _check(given: Arrays, wanted: Mapping[str, Value], kind: str) -> None:
    for name, array in given.items():
        if name not in wanted:
            raise CompileError("GL301", f"the program has no {kind} {name!r}", hint=f"there is {', '.join(wanted)}")
        type_, found = wanted[name].type, np.asarray(array)
        if found.shape != type_.shape or (found.dtype.kind not in "biu") != type_.dtype.is_float:
            raise CompileError("GL301", f"{kind} {name!r} is {type_}, not {found.dtype}{list(found.shape)}")

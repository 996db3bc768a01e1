"""One graph, its calls bound to memory: running it copies the inputs in and the outputs out, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradlet.backends.tvm.build import Built
from gradlet.backends.tvm.calls import Call
from gradlet.backends.tvm.kernel import Case, Kernel
from gradlet.backends.tvm.layout import places, scratch_places
from gradlet.backends.tvm.memory import loaded, piece_tensor, stored, tensor, view
from gradlet.ir.backend import Arrays
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Node, Value
from gradlet.ir.memory_plan import MemoryPlan


class Memory:
    """The memory of a graph: views of the arena, and of the arrays of its states.

    Attributes:
        arrays: What each value lies in.
    """

    def __init__(self, graph: Graph, plan: MemoryPlan, arena: np.ndarray, states: Mapping[str, np.ndarray]):
        self.arrays = {
            v: states[place.state] if place.state else view(arena[place.offset :], v.type)
            for v, place in places(graph, plan).items()
        }
        self._arena = arena
        self._scratch = scratch_places(graph, plan)
        self._spare = np.empty(0, np.uint8)

    def scratch(self, node: Node, size: int) -> np.ndarray:
        """Working memory of a node: what is planned for it, or where the plan is not for this backend, a spare."""
        slot = self._scratch.get(node)
        if slot and slot.size >= size:
            return self._arena[slot.offset : slot.end]
        if len(self._spare) < size:
            # Those given out before keep theirs.
            self._spare = np.empty(size, np.uint8)
        return self._spare


class Runner:
    """One graph that can run."""

    def __init__(self, graph: Graph, memory: Memory, calls: list[Call], built: Mapping[tuple[Kernel, Case], Built]):
        self._graph = graph
        self._inputs = {v.name: v for v in graph.inputs}
        self._memory = memory
        tensors = {v: tensor(array) for v, array in memory.arrays.items()}
        self._calls = [
            (built[call.kernel, call.case].run, self._arguments(call, built[call.kernel, call.case], tensors))
            for call in calls
        ]

    def _arguments(self, call: Call, built: Built, tensors: Mapping[Value, Any]) -> list[Any]:
        scratch = self._memory.scratch(call.node, built.function.scratch_bytes)
        return [
            *(self._part(call, v) if v in call.parts else tensors[v] for v in call.arguments),
            *(piece_tensor(scratch, piece) for piece in built.function.scratch),
        ]

    def _part(self, call: Call, value: Value) -> Any:
        """What an update changes of a parameter, or of its moments."""
        array = self._memory.arrays[value]
        return tensor(array[call.parts[value].index(array.ndim)])

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Runs the graph once; returns its outputs by name."""
        check_arrays(inputs, self._inputs, "input")
        missing = [name for name in self._inputs if name not in inputs]
        if missing:
            what = f"{self._graph.name}: no array is given for input {', '.join(missing)}"
            raise CompileError("GL301", what, hint="give an array for every input, `lr` included")
        for name, value in self._inputs.items():
            self._memory.arrays[value][...] = stored(inputs[name], value.type)
        for function, arguments in self._calls:
            function(*arguments)
        return {v.name: loaded(self._memory.arrays[v], v.type) for v in self._graph.outputs}


def check_arrays(given: Arrays, wanted: Mapping[str, Value], kind: str) -> None:
    """Raises GL301 for a name, a shape or an element type that is not wanted."""
    for name, array in given.items():
        if name not in wanted:
            raise CompileError("GL301", f"the program has no {kind} {name!r}", hint=f"there is {', '.join(wanted)}")
        type_, found = wanted[name].type, np.asarray(array)
        if found.shape != type_.shape or (found.dtype.kind not in "biu") != type_.dtype.is_float:
            what = f"{kind} {name!r} is {type_}, not {found.dtype}{list(found.shape)}"
            raise CompileError("GL301", what, hint="give it as `gradlet show` prints its type")

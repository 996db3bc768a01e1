"""Runs a graph in numpy, node by node: the definition of what a graph means."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradlet.backends.reference.memory import Arena, Heap, Memory
from gradlet.ir.graph import Graph, Node
from gradlet.ir.op_def import OpSet
from gradlet.ir.tensor_type import TensorType


class Executor:
    """One graph and its states, which `run` changes.

    Attributes:
        states: Name -> present content; may be shared with the executor of another graph.
    """

    def __init__(
        self,
        graph: Graph,
        ops: OpSet,
        states: dict[str, np.ndarray] | None = None,
        *,
        in_arena: bool = False,
        float64: bool = False,
        surrogate: bool = False,
    ):
        """Prepares to run.

        Args:
            graph: What to run; it may not change while the executor is in use.
            ops: Meaning of its nodes.
            states: Content of the states by name; those missing get their initial one.
            in_arena: Keep transient values in one buffer at the offsets of `graph.plan`.
            float64: Compute all floats in double precision, for comparisons that need the exact answer.
            surrogate: Compute quantised values as such floats too, without rounding: what gradients are the slopes of.
        """
        assert not (in_arena and (float64 or surrogate)), "the arena is planned for the types of the graph"
        self.graph, self.ops = graph, ops
        self.in_arena, self.float64, self.surrogate = in_arena, float64 or surrogate, surrogate
        self.states: dict[str, np.ndarray] = {} if states is None else states
        for state in graph.states:
            content = self.states.get(state.name, state.init)
            self.states[state.name] = self._as(content, state.value.type)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs the graph once; returns its outputs by name, and changes the states that it overwrites."""
        memory: Memory = Arena(self.graph) if self.in_arena else Heap()
        for state in self.graph.states:
            memory.write(state.value, self.states[state.name])
        for value in self.graph.inputs:
            memory.write(value, self._as(inputs[value.name], value.type))
        for index, node in enumerate(self.graph.nodes):
            memory.enter(index, node)
            self._execute(node, memory)
        for state in self.graph.states:
            self.states[state.name] = memory.read(state.value)
        return {v.name: memory.read(v).copy() for v in self.graph.outputs}

    def _execute(self, node: Node, memory: Memory) -> None:
        # Infinity and NaN are results like others: whoever reads the outputs judges them.
        with np.errstate(all="ignore"):
            results = self.ops[node.op].evaluate([memory.read(v) for v in node.inputs], node.attrs)
        assert len(results) == len(node.outputs), f"{len(results)} results of `{node}`"
        for value, result in zip(node.outputs, results, strict=True):
            memory.write(value, self._as(result, value.type, node))

    def _as(self, array: np.ndarray, type_: TensorType, node: Node | None = None) -> np.ndarray:
        """A copy with the shape checked, in the element type that the value has here."""
        is_float = type_.dtype.is_float or (self.surrogate and type_.quant is not None)
        wanted = np.float64 if self.float64 and is_float else type_.dtype.numpy
        copied = np.array(array, dtype=wanted, order="C")  # sums depend on the layout
        assert copied.shape == type_.shape, f"{copied.shape} is not the shape of {type_}: `{node}`"
        return copied

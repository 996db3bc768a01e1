"""A program as C sees it: every symbol, every address; what the emitter prints and what sessions call."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gradlet.backends.tinyengine.c_text import Names, identifier, parameter
from gradlet.backends.tinyengine.kernel import Kernel, Table, choose
from gradlet.backends.tinyengine.placement import place
from gradlet.ir.graph import Graph, Node, State, Value, written_states
from gradlet.ir.memory_plan import MemoryPlan
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program
from gradlet.ir.target import Target
from gradlet.ir.tensor_type import DType

# Of the format of a saved state, and its bytes besides the states.
SAVE_VERSION = 1
_SAVE_HEAD = 16
_SAVE_CHECKSUM = 4


@dataclass(frozen=True)
class Variable:
    """A state: an array in RAM if some node writes it, else a constant.

    Attributes:
        symbol: Of the array.
        initial: Of the array in flash that a mutable state starts from, unless it starts as zeros.
        mutable: Whether some node writes it.
    """

    state: State
    symbol: str
    initial: str
    mutable: bool

    @property
    def constant(self) -> str:
        """Its number in the interface, a C constant."""
        return self.symbol.upper()

    @property
    def bytes(self) -> int:
        return self.state.value.type.bytes

    @property
    def is_zero(self) -> bool:
        """Whether it starts as nothing but zero bits."""
        return not np.ascontiguousarray(self.state.init).view(np.uint8).any()


@dataclass(frozen=True)
class Port:
    """A tensor that the user fills or reads through the function `symbol`; a scalar input is a parameter `symbol`."""

    value: Value
    symbol: str


@dataclass(frozen=True)
class Routine:
    """A graph as a C function.

    Attributes:
        symbol: Of the function.
        kernels: What runs each node.
        arguments: Scalar inputs, in order: the parameters of the function.
        inputs: The other inputs: buffers in the arena.
        outputs: All outputs.
    """

    symbol: str
    graph: Graph
    plan: MemoryPlan
    kernels: Mapping[Node, Kernel]
    arguments: Sequence[Port]
    inputs: Sequence[Port]
    outputs: Sequence[Port]

    @cached_property
    def offsets(self) -> dict[Value, int]:
        return self.plan.offsets()

    @cached_property
    def states(self) -> frozenset[Value]:
        return frozenset(s.value for s in self.graph.states)

    @property
    def result(self) -> Value | None:
        """What the function returns: the loss."""
        first = self.graph.outputs[0].type if self.graph.outputs else None
        is_scalar = first is not None and first.shape == () and first.dtype is DType.F32
        return self.graph.outputs[0] if is_scalar else None

    def scratch(self, index: int) -> int:
        """Where the working memory of a node lies."""
        found = [s.offset for s in self.plan.slots if not s.values and s.first == index]
        assert found, f"the memory plan has no working memory for `{self.graph.nodes[index]}`"
        return found[0]


@dataclass(frozen=True)
class Model:
    """A program with a name for everything.

    Attributes:
        name: Prefix of every symbol that others see.
        infer: The inference.
        train_step: The step; None for a program that does not train.
        fingerprint: Of everything that a saved state has to agree with.
    """

    name: str
    program: Program
    target: Target
    infer: Routine | None
    train_step: Routine | None
    variables: Sequence[Variable]
    fingerprint: int

    @property
    def routines(self) -> list[Routine]:
        return [r for r in (self.infer, self.train_step) if r is not None]

    @property
    def mutable(self) -> list[Variable]:
        return [v for v in self.variables if v.mutable]

    @property
    def inputs(self) -> list[Port]:
        """The buffers to fill, each once."""
        return list({p.symbol: p for r in self.routines for p in r.inputs}.values())

    @property
    def arena_bytes(self) -> int:
        return max(r.plan.arena_bytes for r in self.routines)

    @property
    def state_bytes(self) -> int:
        return sum(v.bytes for v in self.mutable)

    @property
    def save_bytes(self) -> int:
        return _SAVE_HEAD + self.state_bytes + _SAVE_CHECKSUM

    @cached_property
    def tables(self) -> dict[tuple[int, ...] | Table, str]:
        """The arrays that kernels are given: constants in flash, as literals in a call they would be on the stack."""
        calls = [c for r in self.routines for n in r.graph.nodes for c in r.kernels[n].calls(n)]
        tables = dict.fromkeys(a for c in calls for a in c.args if isinstance(a, tuple | Table))
        return {table: f"{self.name}_table_{k}" for k, table in enumerate(tables)}

    def variable(self, value: Value) -> Variable:
        return self._by_name[value.name]

    @cached_property
    def _by_name(self) -> dict[str, Variable]:
        return {v.state.name: v for v in self.variables}


def describe(program: Program, target: Target, toolbox: Toolbox, taken: Collection[str] = ()) -> Model:
    """Decides what the emitter prints; `taken` are names of other models of the same firmware."""
    name = _model_name(program, taken)
    names = Names()
    for own in ("state_bytes", "state_name"):
        names.take(f"{name}_{own}")
    step = program.graph if program.trains else None
    infer = program.infer or (None if step else program.graph)
    graphs = [g for g in (infer, step) if g is not None]
    chosen = {n: choose(n, target, toolbox) for g in graphs for n in g.nodes}
    plans = place(graphs, chosen, target, toolbox)
    inputs = {n: names.take(f"{name}_input_{identifier(n)}") for n in {v.name: v for g in graphs for v in g.inputs}}

    def routine(graph: Graph | None, verb: str, output: str) -> Routine | None:
        if graph is None:
            return None
        local = Names()
        return Routine(
            names.take(f"{name}_{verb}"),
            graph,
            plans[graph],
            chosen,
            [Port(v, local.take(parameter(v.name))) for v in graph.inputs if v.type.shape == ()],
            [Port(v, inputs[v.name]) for v in graph.inputs if v.type.shape != ()],
            [Port(v, names.take(f"{name}_{output}_{identifier(v.name)}")) for v in graph.outputs],
        )

    variables = tuple(_variables(name, names, graphs))
    return Model(
        name,
        program,
        target,
        routine(infer, "infer", "output"),
        routine(step, "train_step", "train_output"),
        variables,
        _fingerprint(variables),
    )


def _model_name(program: Program, taken: Collection[str]) -> str:
    name = identifier(program.name)
    name = f"model_{name}" if name[0].isdigit() or name[0] == "_" else name
    return next(n for n in (name, *(f"{name}_{k}" for k in range(2, len(taken) + 3))) if n not in taken)


def _variables(name: str, names: Names, graphs: Sequence[Graph]) -> Iterator[Variable]:
    states = {s.name: s for g in graphs for s in g.states}
    written = {v.name for g in graphs for v in written_states(g)}
    for state in states.values():
        symbol = names.take(f"{name}_state_{identifier(state.name)}")
        yield Variable(state, symbol, names.take(f"{symbol}_init"), state.name in written)


def _fingerprint(variables: Sequence[Variable]) -> int:
    """A saved state fits the same states, learnt on top of the same frozen ones."""
    digest = hashlib.sha256()
    for v in variables:
        digest.update(f"{v.state.name} {v.state.role.value} {v.state.value.type} {v.mutable};".encode())
        digest.update(b"" if v.mutable else np.ascontiguousarray(v.state.init).tobytes())
    return int.from_bytes(digest.digest()[:8], "little")

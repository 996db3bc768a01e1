"""The training step as a list of nodes in execution order.

Values are single-assignment and compare by identity. The order of
`Graph.nodes` *is* the schedule: a reordering pass permutes that list and no
second structure has to agree with it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradlet.ir.tensor_type import TensorType

if TYPE_CHECKING:
    from gradlet.ir.memory_plan import MemoryPlan

# What an attribute may hold: what the interchange format can.
Attr = int | float | str | bool | tuple[int, ...] | tuple[float, ...]
Attrs = Mapping[str, Any]


class Phase(enum.Enum):
    """Which part of the training step a node belongs to."""

    FORWARD = "forward"
    BACKWARD = "backward"
    UPDATE = "update"


class Role(enum.Enum):
    """What a state is for; the value is its keyword in the printed form."""

    PARAMETER = "state"  # weights and biases, trained or frozen
    BUFFER = "buffer"  # running statistics
    MOMENT = "moment"  # of an update rule
    ACCUMULATOR = "accumulator"  # gradients of several samples
    COUNTER = "counter"  # steps taken, random numbers drawn


@dataclass(frozen=True)
class KernelChoice:
    """Which kernel of its backend runs a node, and how it is tuned.

    Attributes:
        kernel: Name within the backend, e.g. `conv2d/im2col`.
        scratch_bytes: Working memory in the arena while the node runs.
        tuning: Tile sizes, unrolling.
    """

    kernel: str
    scratch_bytes: int = 0
    tuning: Mapping[str, int] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Value:
    """One tensor: produced by a node, or an input or state of its graph.

    Attributes:
        overwrites: The value whose storage this one takes over, by promise of its op (`OpDef.writes`).
    """

    name: str
    type: TensorType
    producer: Node | None = None
    users: list[Node] = field(default_factory=list)
    overwrites: Value | None = None

    def __str__(self) -> str:
        return f"%{self.name}"

    __repr__ = __str__


@dataclass(eq=False, slots=True)
class Node:
    """One application of an op; `loc` is the path in the user's model."""

    op: str
    inputs: list[Value]
    outputs: list[Value]
    attrs: Attrs = field(default_factory=dict)
    phase: Phase = Phase.FORWARD
    loc: str = ""
    choice: KernelChoice | None = None

    def __str__(self) -> str:
        from gradlet.ir.printer import print_node

        return print_node(self)

    __repr__ = __str__


@dataclass(frozen=True)
class Region:
    """The part of a tensor that learns: indices [begin, end) along `axis`."""

    axis: int
    begin: int
    end: int

    @property
    def attrs(self) -> dict[str, int]:
        """As attributes of an update node."""
        return {"axis": self.axis, "begin": self.begin, "end": self.end}

    def index(self, rank: int) -> tuple[slice, ...]:
        """As a numpy index of a tensor with `rank` axes."""
        return tuple(slice(self.begin, self.end) if a == self.axis else slice(None) for a in range(rank))


@dataclass(frozen=True)
class Part:
    """What a state holds of a larger tensor: indices [begin, end) of `size` along `axis`."""

    axis: int
    begin: int
    end: int
    size: int

    def whole(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Shape of the larger tensor, from that of the part."""
        return (*shape[: self.axis], self.size, *shape[self.axis + 1 :])

    def of(self, whole: np.ndarray) -> np.ndarray:
        return whole.take(range(self.begin, self.end), self.axis)


@dataclass(frozen=True)
class Rescale:
    """What a pass has folded into a state: `ir = user * scale + shift`, one of each for every index along `axis`.

    The user's numbers are floats then, also where those of the state are integers.
    """

    axis: int
    scale: tuple[float, ...]
    shift: tuple[float, ...]

    def forward(self, user: np.ndarray) -> np.ndarray:
        scale, shift = self._columns(user.ndim)
        ir: np.ndarray = user * scale + shift
        return ir.astype(user.dtype)

    def then(self, scale: np.ndarray, shift: np.ndarray) -> Rescale:
        """Both, one after the other along the same axis."""
        both = np.array(self.scale) * scale, np.array(self.shift) * scale + shift
        return Rescale(self.axis, *(tuple(numbers.tolist()) for numbers in both))

    def backward(self, ir: np.ndarray) -> np.ndarray:
        scale, shift = self._columns(ir.ndim)
        user: np.ndarray = (ir - shift) / scale
        return user.astype(ir.dtype if ir.dtype.kind == "f" else np.float32)

    def _columns(self, rank: int) -> list[np.ndarray]:
        shape = [-1 if a == self.axis else 1 for a in range(rank)]
        return [np.array(numbers, np.float64).reshape(shape) for numbers in (self.scale, self.shift)]


@dataclass(frozen=True)
class Source:
    """How a state lay in the user's model: `ir = user.reshape(view).transpose(permutation).reshape(ir.shape)`.

    Attributes:
        name: Its name there, e.g. `features.0.weight`.
        shape: Its shape there.
        view: Shape between; equal to `shape` unless an axis had to be split.
        permutation: Order of the axes of `view`.
        rescales: What was folded into it then, one after the other.
        orders: (axis, order) of the IR's shape: then `ir.take(order, axis)`, for channels that a pass put in another
            order.
        part: What the state then holds of it, where others hold the rest.
    """

    name: str
    shape: tuple[int, ...]
    view: tuple[int, ...]
    permutation: tuple[int, ...]
    orders: tuple[tuple[int, tuple[int, ...]], ...] = ()
    rescales: tuple[Rescale, ...] = ()
    part: Part | None = None

    def rescaled(self, axis: int, scale: np.ndarray, shift: np.ndarray | None = None) -> Source:
        """That of the state after it was multiplied, and added to, along an axis."""
        shift = np.zeros_like(scale) if shift is None else shift
        if self.rescales and self.rescales[-1].axis == axis:
            return replace(self, rescales=(*self.rescales[:-1], self.rescales[-1].then(scale, shift)))
        last = Rescale(axis, tuple(scale.tolist()), tuple(shift.tolist()))
        return replace(self, rescales=(*self.rescales, last))

    def to_ir(self, user: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The content of the state, which has this shape; integers that stand for floats are not rounded yet."""
        whole = self.part.whole(shape) if self.part else shape
        ir = user.reshape(self.view).transpose(self.permutation).reshape(whole)
        for rescale in self.rescales:
            ir = rescale.forward(ir)
        for axis, order in self.orders:
            ir = ir.take(order, axis)
        ir = self.part.of(ir) if self.part else ir
        return np.ascontiguousarray(ir).reshape(shape)  # numpy gives a scalar an axis

    def to_user(self, ir: np.ndarray) -> np.ndarray:
        """The user's tensor, from the content of the state; of one in parts: from all parts put together."""
        for axis, order in reversed(self.orders):
            ir = ir.take(np.argsort(order), axis)
        for rescale in reversed(self.rescales):
            ir = rescale.backward(ir)
        permuted = tuple(self.view[axis] for axis in self.permutation)
        back = np.argsort(self.permutation)
        return np.ascontiguousarray(ir.reshape(permuted).transpose(back)).reshape(self.shape)


@dataclass(eq=False, slots=True)
class State:
    """A tensor that outlives the step.

    Attributes:
        init: Its value before the first step (may be memory-mapped).
        trainable: Whether an update rule is to change it.
        region: The part that learns; None means all of it.
        source: Its counterpart in the user's model, if it still has one.
    """

    value: Value
    init: np.ndarray
    role: Role = Role.PARAMETER
    trainable: bool = False
    region: Region | None = None
    source: Source | None = None

    @property
    def name(self) -> str:
        return self.value.name

    @property
    def learning(self) -> int:
        """How many of its numbers an update changes."""
        shape, part = self.value.type.shape, self.region
        share = (part.end - part.begin) if part else 1
        return self.trainable * self.value.type.size * share // (shape[part.axis] if part else 1)


@dataclass(eq=False)
class Graph:
    """One training step, or one inference."""

    name: str
    inputs: list[Value] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    plan: MemoryPlan | None = None
    _serial: int = 0

    def fresh(self, type_: TensorType) -> Value:
        """A value with a number for a name."""
        self._serial += 1
        return Value(str(self._serial - 1), type_)

    def add_input(self, name: str, type_: TensorType) -> Value:
        self.inputs.append(Value(name, type_))
        return self.inputs[-1]

    def add_state(
        self,
        name: str,
        init: np.ndarray,
        type_: TensorType,
        role: Role = Role.PARAMETER,
        *,
        trainable: bool = False,
        source: Source | None = None,
    ) -> Value:
        assert init.shape == type_.shape, f"{name}: {init.shape} against {type_}"
        self.states.append(State(Value(name, type_), init, role, trainable, None, source))
        return self.states[-1].value

    def state_of(self, value: Value) -> State | None:
        """The state a value is the initial content of."""
        return next((s for s in self.states if s.value is value), None)

    def append(self, node: Node) -> None:
        self.insert(len(self.nodes), node)

    def insert(self, index: int, node: Node) -> None:
        for value in node.inputs:
            value.users.append(node)
        for value in node.outputs:
            value.producer = node
        self.nodes.insert(index, node)

    def remove(self, node: Node) -> None:
        for value in node.inputs:
            value.users.remove(node)
        self.nodes.remove(node)

    def replace_uses(self, old: Value, new: Value, of: Iterable[Node] | None = None) -> None:
        """Lets `of` (default: every user, and the outputs) read `new` instead of `old`."""
        for node in list(dict.fromkeys(old.users)) if of is None else list(of):
            count = node.inputs.count(old)
            node.inputs[:] = [new if v is old else v for v in node.inputs]
            for _ in range(count):
                old.users.remove(node)
                new.users.append(node)
        if of is None:
            self.outputs[:] = [new if v is old else v for v in self.outputs]

    def values(self) -> Iterator[Value]:
        """Every value, in order of definition."""
        yield from self.inputs
        yield from (state.value for state in self.states)
        for node in self.nodes:
            yield from node.outputs

    def free_name(self, name: str) -> str:
        """`name`, or with a number behind it where a value has that name."""
        taken = {v.name for v in self.values()}
        candidates = [name, *(f"{name}_{k}" for k in range(1, len(taken) + 1))]
        return next(c for c in candidates if c not in taken)

    def renumber(self) -> None:
        """Numbers the unnamed values in the order of the schedule."""
        unnamed = [v for v in self.values() if v.name.isdigit()]
        for number, value in enumerate(unnamed):
            value.name = str(number)
        self._serial = len(unnamed)

    def __str__(self) -> str:
        from gradlet.ir.printer import print_graph

        return print_graph(self)


def storage(value: Value) -> Value:
    """The value whose bytes `value` lies in: itself, or the first of a chain of in-place results."""
    while value.overwrites is not None:
        value = value.overwrites
    return value


def written_states(graph: Graph) -> set[Value]:
    """The values of the states that some node overwrites: they need RAM, all others may stay in flash."""
    return {storage(v) for n in graph.nodes for v in n.outputs if v.overwrites is not None} & {
        s.value for s in graph.states
    }

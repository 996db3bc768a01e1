"""What an op is: the one record a new op has to fill in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Attrs, Graph, Node, Phase, Value
from gradlet.ir.tensor_type import TensorType

Arrays = Sequence[np.ndarray]
# What evaluate returns; numpy scalars are welcome for rank 0.
Results = Sequence[Any]
Sampler = Callable[[Sequence[TensorType], np.random.Generator], list[np.ndarray]]


def normal(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Inputs for an op that is defined everywhere: normal floats, small integers, coin flips."""

    def draw(t: TensorType) -> np.ndarray:
        if t.dtype.is_float:
            return rng.normal(size=t.shape).astype(t.dtype.numpy)
        return rng.integers(0, 2 if t.dtype.bits == 1 else 4, size=t.shape).astype(t.dtype.numpy)

    return [draw(t) for t in types]


@dataclass(frozen=True)
class Example:
    """One use of an op, run by every test that goes over all ops.

    Attributes:
        types: Types of its inputs.
        attrs: Its attributes.
        sample: Draws inputs inside the op's domain, e.g. labels below the number of classes.
        differentiable: Indices of the inputs whose gradient is checked.
    """

    types: Sequence[TensorType]
    attrs: Attrs = field(default_factory=dict)
    sample: Sampler = normal
    differentiable: Sequence[int] = (0,)


@dataclass(frozen=True)
class OpDef:
    """Everything about an op that holds on every target.

    Attributes:
        name: Its name in the IR.
        infer: Types of the outputs, from types of the inputs; raises `ValueError` with the rule that is broken.
        evaluate: Its meaning, in numpy: what every backend is held to. Keeps float64 when given float64.
        gradient: `(emit, node, gradients of the outputs) -> gradients of the inputs`; None in the arguments: that
            output has no gradient; None in the result: no gradient flows there. It only emits nodes.
        macs: Multiply-accumulates of one application.
        writes: Output index -> index of the input whose storage it overwrites, always; a negative index counts from
            the last operand. Says nothing where an application has no such output.
        may_overwrite: Output index -> indices of the inputs whose storage it can take when they die here: the
            kernel reads each element of such an input no later than it writes that element of the output.
        in_order: Whether `may_overwrite` holds for a node.
        slices: `(node) -> {output axis: ((input index, input axis), ...)}`: slicing the output along the axis is
            the same as slicing these inputs; the other inputs are read whole.
        epilogue: `(attributes) -> operands between the gradient and those of the common epilogue`, for an op that ends
            in ir/gradient_epilogue.py.
        sums: Index of the gradient that the op sums: of integers the sums are integers, in the unit of that gradient.
        inference: `(emit, node) -> replacements of the outputs` where the op means something else (or nothing)
            outside of training; None for an output that does not exist there.
        version: Of its meaning.
        upgrades: Version -> what turns the `Node` message of a node of that version into one of the next.
        examples: What every test over all ops runs on.
    """

    name: str
    infer: Callable[[Sequence[TensorType], Attrs], Sequence[TensorType]]
    evaluate: Callable[[Arrays, Attrs], Results]
    gradient: Callable[[Emit, Node, Sequence[Value | None]], Sequence[Value | None]] | None = None
    macs: Callable[[Node], int] = lambda node: 0
    writes: Mapping[int, int] = field(default_factory=dict)
    may_overwrite: Mapping[int, Sequence[int]] = field(default_factory=dict)
    in_order: Callable[[Node], bool] = lambda node: True
    slices: Callable[[Node], Mapping[int, Sequence[tuple[int, int]]]] = lambda node: {}
    epilogue: Callable[[Attrs], int] | None = None
    sums: int | None = None
    inference: Callable[[Emit, Node], Sequence[Value | None]] | None = None
    version: int = 1
    upgrades: Mapping[int, Callable[[Any], None]] = field(default_factory=dict)
    examples: Sequence[Example] = ()

    def lenders(self, node: Node, output: int) -> Sequence[int]:
        """The inputs whose storage an output of this node can take when they die."""
        lenders = self.may_overwrite.get(output, ())
        return lenders if lenders and self.in_order(node) else ()

    def overwritten(self, outputs: int, inputs: int) -> dict[int, int]:
        """`writes` for an application with so many outputs and inputs."""
        return {o: i % inputs for o, i in self.writes.items() if o < outputs}


class OpSet:
    """The ops a compilation may use. Built once from the plugins; never a module global."""

    def __init__(self, ops: Sequence[OpDef]):
        self._ops = {op.name: op for op in ops}
        assert len(self._ops) == len(ops), "an op is defined twice"

    def __getitem__(self, name: str) -> OpDef:
        if name not in self._ops:
            near = get_close_matches(name, self._ops, 3, 0.7)
            hint = (f"did you mean {' or '.join(near)}? else " if near else "") + "load the plugin that has it"
            raise CompileError("GL001", f"no op is called {name!r}", hint=hint)
        return self._ops[name]

    def __contains__(self, name: str) -> bool:
        return name in self._ops

    def __iter__(self) -> Iterator[OpDef]:
        return iter(self._ops.values())


@dataclass
class Emit:
    """Adds typed nodes to a graph: `emit("matmul", a, b)`.

    Attributes:
        index: Where the next node goes in the schedule; None means at the end.
    """

    ops: OpSet
    graph: Graph
    phase: Phase = Phase.FORWARD
    loc: str = ""
    index: int | None = None

    def __call__(self, op: str, *inputs: Value, **attrs: Any) -> Value:
        """Returns the first output of the new node."""
        return self.node(op, *inputs, **attrs).outputs[0]

    def node(self, op: str, *inputs: Value, **attrs: Any) -> Node:
        """Returns the new node."""
        op_def = self.ops[op]
        attrs = {k: tuple(v) if isinstance(v, list) else v for k, v in attrs.items()}
        try:
            types = op_def.infer([v.type for v in inputs], attrs)
        except ValueError as error:
            hint = "change the shapes or attributes where the op is made: in the model, or in the plugin that emits it"
            raise CompileError("GL002", f"{op}: {error}", self.loc, hint) from error
        node = Node(op, list(inputs), [self.graph.fresh(t) for t in types], attrs, self.phase, self.loc)
        for output, source in op_def.overwritten(len(types), len(inputs)).items():
            node.outputs[output].overwrites = inputs[source]
            node.outputs[output].name = f"{inputs[source].name}'"
        if self.index is None:
            self.graph.append(node)
        else:
            self.graph.insert(self.index, node)
            self.index += 1
        return node

    def extend(self, node: Node, **attrs: Any) -> list[Value]:
        """Gives a node attributes with which its op has more outputs; returns these."""
        node.attrs = {**node.attrs, **attrs}
        types = self.ops[node.op].infer([v.type for v in node.inputs], node.attrs)
        added = [self.graph.fresh(t) for t in types[len(node.outputs) :]]
        for value in added:
            value.producer = node
        node.outputs += added
        return added

    def scaled(self, value: Value, factor: Value) -> Value:
        """value * factor for a scalar factor; the constant one of a loss's own gradient costs nothing."""
        maker = factor.producer
        if maker and maker.op == "full" and maker.attrs["value"] == 1:
            return value
        return self("mul", value, factor)

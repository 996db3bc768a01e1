"""Holds gradients of quantised values in integers, whose common unit is known before they are computed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.gradient_epilogue import LIMITS, RANGE
from gradlet.ir.graph import Graph, Node, Role, Value
from gradlet.ir.op_def import Emit, OpSet
from gradlet.ir.passes import Context
from gradlet.ir.tensor_type import DType, TensorType
from gradlet.optimizers.quantized_gradients import RESCALE, makes_gradient, read, write

_MOST_LAYERS_IN_INT8 = 24
_CHOICES = {d.value: d for d in (*LIMITS, DType.F32)}
# An integer stays one, in its unit.
_MOVES = ("slice", "reshape", "broadcast_to", "transpose", "flip", "pad", "max_pool2d_grad")
# Update -> index of its gradient, behind which the range stands.
_UPDATES = {"quantized_sgd": 1, "master_sgd": 2}


@dataclass(frozen=True)
class QuantizeGradients:
    """Integers and a range, a state, for every gradient that ops on quantised values alone read.

    Attributes:
        dtype: `int8`, `int16`, or `float32`, which leaves them as they are; `auto` is float32 but on microcontrollers:
            int8 there, or int16 where a gradient goes through more than 24 layers.
    """

    name: ClassVar[str] = "quantize_gradients"
    keeps_numbers: ClassVar[bool] = False
    dtype: str = "auto"

    def __post_init__(self) -> None:
        if self.dtype != "auto" and self.dtype not in _CHOICES:
            hint = f"give auto, {', '.join(_CHOICES)}"
            raise CompileError("GL212", f"quantize_gradients: dtype is {self.dtype!r}", hint=hint)

    def run(self, graph: Graph, context: Context) -> bool:
        chosen = _CHOICES.get(self.dtype) or _default(graph, context)
        wanted = _wanted(graph, context.ops, chosen)
        if chosen is DType.F32 or not wanted:
            return False
        rewriting = _Rewriting(graph, context.ops, chosen)
        for node in list(graph.nodes):
            rewriting.rewrite(node, integer=node in wanted)
        graph.outputs[:] = [rewriting.made.get(v, v) for v in graph.outputs]
        graph.renumber()
        return True


def _default(graph: Graph, context: Context) -> DType:
    """Gradients in int8 lose what they are rounded by once in a layer: docs/learning.md has what that costs."""
    if context.target is None or not context.target.is_microcontroller:
        return DType.F32
    wanted = _wanted(graph, context.ops, DType.I8)
    layers: dict[Value, int] = {}
    for node in graph.nodes:
        deepest = max((layers.get(v, 0) for v in node.inputs), default=0)
        layers |= dict.fromkeys(node.outputs, deepest + (node in wanted and node.op != RESCALE))
    return DType.I16 if max(layers.values(), default=0) > _MOST_LAYERS_IN_INT8 else DType.I8


def _wanted(graph: Graph, ops: OpSet, dtype: DType) -> set[Node]:
    """What makes gradients that can be integers of this type."""
    readers = _Readers(ops, dtype)
    return {node for node in graph.nodes if makes_gradient(ops, node) and readers.accept(node.outputs[0])}


@dataclass(frozen=True)
class _Readers:
    """Which gradients in floats may become integers."""

    ops: OpSet
    dtype: DType

    def accept(self, value: Value) -> bool:
        """Whether all readers of the value take integers instead."""
        if value.type.dtype is not DType.F32 or not value.users:
            return False
        return all(self._takes(user, value) for user in value.users)

    def _takes(self, user: Node, value: Value) -> bool:
        if user.op in _MOVES:
            return self._infers(user, value) and self.accept(user.outputs[0])
        sums = self.ops[user.op].sums
        if sums is not None:
            return user.inputs[sums] is value and self._infers(user, value)
        if not makes_gradient(self.ops, user):
            return False
        found = read(self.ops, user)
        return value in (found.g, found.skip)

    def _infers(self, user: Node, value: Value) -> bool:
        """Whether the op can have integers there: int32 holds its sums, elements are moved to places of their own."""
        integers = TensorType(self.dtype, value.type.shape)
        try:
            self.ops[user.op].infer([integers if v is value else v.type for v in user.inputs], user.attrs)
        except ValueError:
            return False
        return True


@dataclass
class _Rewriting:
    """Makes every node that a change of its operands concerns anew, in order.

    Attributes:
        made: Old value -> the one in its place.
        units: New value -> range that holds its unit: of integers, and of sums of int16, which are floats.
        floats: New value -> the real gradient, where some op needs that.
    """

    graph: Graph
    ops: OpSet
    dtype: DType
    made: dict[Value, Value] = field(default_factory=dict)
    units: dict[Value, Value] = field(default_factory=dict)
    floats: dict[Value, Value] = field(default_factory=dict)

    def rewrite(self, node: Node, *, integer: bool) -> None:
        if not integer and not any(v in self.made for v in node.inputs):
            return
        emit = Emit(self.ops, self.graph, node.phase, node.loc, self.graph.nodes.index(node))
        makes = makes_gradient(self.ops, node)
        new = self._gradient(emit, node, integer) if makes else self._other(emit, node)
        for old, value in zip(node.outputs, new.outputs, strict=False):
            self.made[old] = value
        self.graph.remove(node)

    def _gradient(self, emit: Emit, node: Node, integer: bool) -> Node:
        found = read(self.ops, node)
        g, skip = self._new(found.g), self._new(found.skip) if found.skip else None
        if g.type.dtype.is_float:
            g = self._as_float(emit, g)
        if skip is not None and skip.type.dtype not in LIMITS:
            skip = self._as_float(emit, skip)
        found = replace(found, g=g, unit=self.units.get(g), skip=skip, skip_unit=self.units.get(skip) if skip else None)
        attrs = dict(node.attrs)
        if integer:
            found, attrs["dtype"] = replace(found, range=self._range(node)), self.dtype.value
        inputs, attrs = write(found, attrs)
        new = emit.node(node.op, *inputs, **attrs)
        if integer:
            self.units[new.outputs[0]] = new.outputs[1]
        return new

    def _range(self, node: Node) -> Value:
        name = self.graph.free_name(f"{node.loc}.gradient_range" if node.loc else "gradient_range")
        return self.graph.add_state(name, np.zeros(RANGE.shape, np.float32), RANGE, Role.BUFFER)

    def _other(self, emit: Emit, node: Node) -> Node:
        inputs = [self._new(v) for v in node.inputs]
        sums = self.ops[node.op].sums
        if sums is not None or node.op in _MOVES:
            new = emit.node(node.op, *inputs, **node.attrs)
            unit = self.units.get(inputs[sums or 0])
            if unit is not None:
                self.units[new.outputs[0]] = unit
            return new
        at = _UPDATES.get(node.op)
        behind = [self.units[inputs[at]]] if at is not None and inputs[at].type.dtype is DType.I32 else []
        kept = at if behind else None
        operands = [v if k == kept else self._as_float(emit, v) for k, v in enumerate(inputs)]
        if behind and at is not None:
            operands[at + 1 : at + 1] = behind
        return emit.node(node.op, *operands, **node.attrs)

    def _new(self, value: Value) -> Value:
        return self.made.get(value, value)

    def _as_float(self, emit: Emit, value: Value) -> Value:
        """The real gradient, for ops that know floats only."""
        unit = self.units.get(value)
        if unit is None:
            return value
        if value not in self.floats:
            self.floats[value] = _real(emit, value, unit)
        return self.floats[value]


def _real(emit: Emit, value: Value, unit: Value) -> Value:
    if not value.type.dtype.is_float:
        return emit(RESCALE, value, unit)
    number = emit("reshape", emit("slice", unit, axis=0, begin=1, end=2), shape=())
    return emit("mul", value, number)


PASS = QuantizeGradients

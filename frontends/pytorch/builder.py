"""What a converter builds with: it emits nodes, and finds each tensor in the layout that a node wants."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlet.frontends.pytorch.tensor import (
    Parameter,
    Shape,
    Tensor,
    channels_last,
    groups,
    inverse,
    natural,
    nearest_order,
    source_axes,
    stored_axes,
)
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Node, Role, Source, Value
from gradlet.ir.op_def import Emit, OpSet
from gradlet.ir.tensor_type import DType, TensorType, dtype_of

Operand = Tensor | Parameter


class UnsupportedError(Exception):
    """What a converter raises when an operator is used in a way that the IR cannot express; says which."""


class Builder:
    """The graph under construction.

    Attributes:
        emit: Adds a node; its `loc` is the place of the operator that is being converted.
        metadata: Of the program.
    """

    def __init__(self, graph: Graph, ops: OpSet):
        self.graph = graph
        self.emit = Emit(ops, graph)
        self.metadata: dict[str, str] = {}
        self._seeds = 0
        self._placed: dict[str, tuple[Value, Source]] = {}
        self._moved: dict[tuple[Any, ...], Node] = {}

    # --- Nodes.

    def __call__(self, op: str, *inputs: Value, **attrs: Any) -> Value:
        return self.emit(op, *inputs, **attrs)

    def node(self, op: str, *inputs: Value, **attrs: Any) -> Node:
        return self.emit.node(op, *inputs, **attrs)

    def once(self, op: str, *inputs: Value, **attrs: Any) -> Node:
        """A node that only moves elements or makes constants: the same one when asked a second time."""
        key = (op, *map(id, inputs), *sorted(attrs.items()))
        if key not in self._moved:
            self._moved[key] = self.node(op, *inputs, **attrs)
        return self._moved[key]

    def full(self, value: float, shape: Shape = (), dtype: DType = DType.F32) -> Value:
        return self.once("full", shape=shape, value=float(value), dtype=dtype.value).outputs[0]

    def reshape(self, value: Value, shape: Shape) -> Value:
        if value.producer and value.producer.op == "reshape":
            value = value.producer.inputs[0]
        return value if value.type.shape == shape else self.once("reshape", value, shape=shape).outputs[0]

    def transpose(self, value: Value, axes: Sequence[int]) -> Value:
        """Moves no element where only axes of size 1 change their places."""
        shape = value.type.shape
        wide = [axis for axis in axes if shape[axis] != 1]
        if wide == sorted(wide):
            return self.reshape(value, tuple(shape[axis] for axis in axes))
        if value.producer and value.producer.op == "transpose":
            first = value.producer.attrs["axes"]
            return self.transpose(value.producer.inputs[0], [first[axis] for axis in axes])
        return self.once("transpose", value, axes=tuple(axes)).outputs[0]

    def broadcast(self, value: Value, shape: Shape) -> Value:
        return value if value.type.shape == shape else self.once("broadcast_to", value, shape=shape).outputs[0]

    # --- Parameters.

    def place(
        self, p: Parameter, permutation: Sequence[int] | None = None, shape: Shape | None = None, view: Shape = ()
    ) -> Value:
        """The value of a parameter, laid out as `p.reshape(view).transpose(permutation).reshape(shape)`."""
        view = view or p.shape
        permutation = tuple(permutation or natural(len(view)))
        permuted = tuple(view[axis] for axis in permutation)
        shape = permuted if shape is None else shape
        if p.name not in self._placed:
            _check_type(p)
            self._placed[p.name] = self._new_state(p, Source(p.name, p.shape, view, permutation), shape)
        value, source = self._placed[p.name]
        if (source.view, source.permutation, value.type.shape) == (view, permutation, shape):
            return value
        plain = self.transpose(self._permuted(value, source), inverse(source.permutation))
        return self.reshape(self.transpose(self.reshape(plain, view), permutation), shape)

    def _permuted(self, value: Value, source: Source) -> Value:
        return self.reshape(value, tuple(source.view[axis] for axis in source.permutation))

    def _new_state(self, p: Parameter, source: Source, shape: Shape) -> tuple[Value, Source]:
        name = self.graph.free_name(p.name)
        type_ = TensorType(dtype_of(p.array), shape)
        init = source.to_ir(p.array, shape)
        return self.graph.add_state(name, init, type_, p.role, trainable=p.trainable, source=source), source

    def constant(self, name: str, array: np.ndarray, role: Role = Role.PARAMETER) -> Value:
        """A state that the user's model does not have, named after the place of the operator."""
        name = self.graph.free_name(f"{self.emit.loc}.{name}")
        return self.graph.add_state(name, array, TensorType(dtype_of(array), array.shape), role)

    def next_seed(self) -> int:
        """Another one for each node that draws random numbers."""
        self._seeds += 1
        return self._seeds - 1

    def learns(self, value: Value) -> bool:
        """Whether a gradient would flow through this value to a parameter."""
        state = self.graph.state_of(value)
        makers = value.producer.inputs if value.producer else []
        return bool(state and state.trainable) or any(map(self.learns, makers))

    # --- Layout.

    def tensor(self, x: Operand) -> Tensor:
        """x, wherever it lies."""
        if isinstance(x, Tensor):
            return x
        return Tensor(self.place(x), natural(len(x.shape)), x.shape)

    def settled(self, x: Operand) -> Tensor:
        """x without a pending reshape."""
        x = self.tensor(x)
        return self.laid(self.lay(x, order := nearest_order(x, x.shape)), order) if x.is_pending else x

    def lay(self, x: Operand, order: Sequence[int]) -> Value:
        """The elements of x, its axes in this order."""
        if isinstance(x, Parameter):
            return self.place(x, order)
        if x.is_pending and (axes := source_axes(x, order)) is not None:
            ones = [axis for axis in x.order if x.base[axis] == 1]
            moved = self.transpose(x.value, [x.order.index(axis) for axis in (*ones, *axes)])
            return self.reshape(moved, tuple(x.shape[axis] for axis in order))
        x = self.settled(x)
        return self.transpose(x.value, [x.order.index(axis) for axis in order])

    def plain(self, x: Operand) -> Value:
        """The elements of x as PyTorch orders them."""
        return self.lay(x, natural(len(x.shape)))

    def channels_last(self, x: Operand) -> Value:
        return self.lay(x, channels_last(len(x.shape)))

    def laid(self, value: Value, order: Sequence[int]) -> Tensor:
        """The tensor whose axes a value has in this order."""
        result = Tensor(value, tuple(order), ())
        return Tensor(value, tuple(order), result.base)

    def from_channels_last(self, value: Value) -> Tensor:
        return self.laid(value, channels_last(len(value.type.shape)))

    def like(self, value: Value, x: Tensor) -> Tensor:
        """The tensor whose elements lie in `value` as those of x do in its own."""
        return Tensor(value, x.order, x.shape)

    def view(self, x: Operand, shape: Shape) -> Tensor:
        """x reshaped; pending if elements would have to move."""
        x = self.tensor(x)
        if shape == x.shape:
            return x
        if math.prod(shape) != x.value.type.size:
            raise ValueError(f"{x.shape} cannot be reshaped to {shape}")
        reshaped = Tensor(x.value, x.order, shape)
        order = nearest_order(x, shape)
        if source_axes(reshaped, order) != stored_axes(x):
            return reshaped
        return self.laid(self.reshape(x.value, tuple(shape[axis] for axis in order)), order)

    def features(self, x: Operand) -> tuple[Value, Shape, tuple[int, ...]]:
        """(value, view, permutation): x with its last axis last, in the order that a reshape has left pending there.

        `w.reshape(-1, *view).transpose(permutation)` brings the columns of a weight into that order.
        """
        x = self.tensor(x)
        pending = self._pending_features(x) if x.is_pending else None
        return pending or (self.plain(x), x.shape[-1:], (0,))

    def _pending_features(self, x: Tensor) -> tuple[Value, Shape, tuple[int, ...]] | None:
        *leading, (left, right) = groups(x.base, x.shape)
        stored = stored_axes(x)
        in_front = [axis for group, _ in leading for axis in group]
        if right != [len(x.shape) - 1] or stored[: len(in_front)] != in_front:
            return None
        tail = [left.index(axis) for axis in stored[len(in_front) :]]
        return self.reshape(x.value, x.shape), tuple(x.base[axis] for axis in left), tuple(tail)


def _check_type(p: Parameter) -> None:
    if p.array.dtype.name in ("float32", "float16", "bfloat16"):
        return
    if p.array.dtype.kind in "fc":
        what = f"{p.name} has elements of type {p.array.dtype}"
        raise CompileError("GL108", what, hint="convert the module before: module.float()")
    raise UnsupportedError(f"reads {p.name}, whose elements are of type {p.array.dtype}")

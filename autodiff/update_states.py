"""Counters that all updates of a step share: steps taken, random numbers drawn, micro-steps of an accumulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradlet.ir.graph import Graph, Node, Role, Value
from gradlet.ir.op_def import Emit
from gradlet.ir.tensor_type import TensorType, i32

_MICRO, _STEP, _RANDOM = "micro_step", "update_step", "random_step"


def accumulated(emit: Emit, parameter: Value, gradient: Value, every: int) -> tuple[Emit, Value, list[Value]]:
    """The mean of the gradients of `every` micro-steps, in place of the gradient of this one.

    Returns where to emit the update, the gradient for it, and its operand `micro` (none for `every == 1`).
    """
    if every == 1:
        return emit, gradient, []
    micro, tick = _counter(emit, _MICRO)
    # The counter goes on only after everything that depends on it.
    before = replace(emit, index=emit.graph.nodes.index(tick))
    total = zeros(emit.graph, f"{parameter.name}.accumulator", gradient.type, Role.ACCUMULATOR)
    return before, before("accumulate", total, gradient, micro, every=every), [micro]


def finished_updates(emit: Emit, micro: list[Value], every: int) -> Value:
    """The number of updates that a parameter has had, this one included."""
    return _counter(emit, _STEP, *micro, **({"every": every} if micro else {}))[1].outputs[0]


def random_counter(emit: Emit) -> tuple[Emit, Value]:
    """The number of steps taken, which random numbers are drawn by; and where to emit what reads it."""
    counter, tick = _counter(replace(emit, index=None), _RANDOM)
    # It goes on at the end of the step, behind other counters: what reads them all comes before the first.
    index = emit.graph.nodes.index(tick)
    return replace(emit, index=index if emit.index is None else min(index, emit.index)), counter


def zeros(graph: Graph, name: str, type_: TensorType, role: Role) -> Value:
    return graph.add_state(graph.free_name(name), np.zeros(type_.shape, type_.dtype.numpy), type_, role)


def moment(emit: Emit, parameter: Value, gradient: Value, name: str) -> Value:
    """A state of the shape of the gradient."""
    return zeros(emit.graph, f"{parameter.name}.{name}", gradient.type, Role.MOMENT)


def _counter(emit: Emit, name: str, *operands: Value, **attrs: int) -> tuple[Value, Node]:
    """The counter of this name and the node that counts; made at the first call."""
    for state in emit.graph.states:
        ticks = [n for n in state.value.users if n.op == "count" and n.inputs[0] is state.value]
        if state.role is Role.COUNTER and state.name.startswith(name) and ticks:
            return state.value, ticks[0]
    counter = zeros(emit.graph, name, i32(), Role.COUNTER)
    return counter, emit.node("count", counter, *operands, **attrs)

"""Emits the updates of quantised parameters: in place on the integers, or on a float master of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlet.autodiff.update_attrs import update_attrs
from gradlet.autodiff.update_states import accumulated, random_counter, zeros
from gradlet.ir.graph import Region, Role, State, Value, written_states
from gradlet.ir.op_def import Emit
from gradlet.ir.random_bits import random_bits
from gradlet.ir.tensor_type import DType, f32

# 1 / scale² of a smaller scale is more than a float holds.
_CONSTANT = 1e-19


def is_quantized(parameter: Value) -> bool:
    return parameter.type.quant is not None


def emit_in_place(
    emit: Emit,
    parameter: Value,
    gradient: Value,
    lr: Value,
    *,
    every: int,
    qas: bool,
    weight_decay: float,
    rounding: str,
    bound: float,
    seed: int,
) -> Sequence[Value]:
    """Moves the integers themselves; int8 by whole steps or none, drawn at random unless `rounding` is nearest."""
    emit, gradient, micro = accumulated(emit, parameter, gradient, every)
    factor, place = _factor(emit, parameter, qas)
    weights: dict[str, Any] = {}
    drawn: list[Value] = []
    if parameter.type.dtype is DType.I8:
        weights = {"rounding": rounding, "bound": bound}
        if rounding == "stochastic":
            emit, counter = random_counter(emit)
            drawn, weights = [counter], {**weights, "seed": _seed_of(emit, parameter, seed)}
    attrs = update_attrs(emit, parameter, every, weight_decay=weight_decay, **weights)
    return emit.node("quantized_sgd", parameter, gradient, lr, factor, *drawn, *micro, **attrs, **place).outputs


def emit_master(
    emit: Emit,
    parameter: Value,
    gradient: Value,
    lr: Value,
    *,
    every: int,
    qas: bool,
    weight_decay: float,
    momentum: float | None = None,
) -> Sequence[Value]:
    """Moves floats, whose nearest integers the parameter takes; with momentum they have a velocity."""
    state = _state(emit, parameter)
    part = state.init[state.region.index(state.init.ndim)] if state.region else state.init
    graph, type_ = emit.graph, f32(*gradient.type.shape)
    master = graph.add_state(graph.free_name(f"{parameter.name}.master"), part.astype(np.float32), type_, Role.MOMENT)
    velocity = [] if momentum is None else [zeros(graph, f"{parameter.name}.velocity", type_, Role.MOMENT)]
    emit, gradient, micro = accumulated(emit, parameter, gradient, every)
    factor, attrs = _factor(emit, parameter, qas)
    attrs |= update_attrs(emit, parameter, every, weight_decay=weight_decay)
    attrs |= {} if momentum is None else {"momentum": momentum}
    operands = (parameter, master, gradient, lr, factor, *micro, *velocity)
    return emit.node("master_sgd", *operands, **attrs).outputs


def _state(emit: Emit, parameter: Value) -> State:
    state = emit.graph.state_of(parameter)
    assert state is not None, f"{parameter} is not a state"
    return state


def _factor(emit: Emit, parameter: Value, qas: bool) -> tuple[Value, dict[str, Any]]:
    """What multiplies the gradient of each channel of what learns, and the attribute that says which axis it is.

    Quantisation-aware scaling (Lin et al., NeurIPS 2022) is 1 / scale²: steps are as large, against the weights, as
    those of the float network. A channel with scale 0 is constant.
    """
    quant, shape = parameter.type.quant, parameter.type.shape
    assert quant is not None
    axis = quant.axis or 0
    scale = np.broadcast_to(np.array(quant.scale, np.float64), shape[axis])
    factor = np.ones(shape[axis])
    if qas:
        learns = scale > _CONSTANT
        factor = np.where(learns, 1 / np.where(learns, scale, 1) ** 2, 0)
    part = _channels(_state(emit, parameter).region, axis)
    return _shared(emit, f"{parameter.name}.factor", factor[part].astype(np.float32)), {"channel_axis": axis}


def _channels(region: Region | None, axis: int) -> slice:
    return slice(region.begin, region.end) if region and region.axis == axis else slice(None)


def _shared(emit: Emit, name: str, content: np.ndarray) -> Value:
    """A constant; parameters whose factors are equal share one."""
    written = written_states(emit.graph)
    for state in emit.graph.states:
        constant = state.role is Role.BUFFER and state.value not in written
        if constant and state.name.endswith(".factor") and np.array_equal(state.init, content):
            return state.value
    return emit.graph.add_state(emit.graph.free_name(name), content, f32(*content.shape), Role.BUFFER)


def _seed_of(emit: Emit, parameter: Value, seed: int) -> int:
    """One for each parameter: `random_bits` maps different counters to different words."""
    index = next(k for k, s in enumerate(emit.graph.states) if s.value is parameter)
    return int(random_bits(seed, index, 1)[0])

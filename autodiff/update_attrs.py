"""The options of update rules: checked, and as attributes of an update node."""

from __future__ import annotations

import math
from typing import Any

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Value
from gradlet.ir.op_def import Emit

# Where a quantised parameter learns, and how steps of int8 are rounded; the first is the default.
_WEIGHTS = ("int8", "float")
_ROUNDINGS = ("stochastic", "nearest")


def check_options(every: int, weight_decay: float, **decays: float) -> None:
    """Raises GL212 for an option with which no rule would learn; `decays` are shares of a moment that are kept."""
    if every < 1:
        raise CompileError("GL212", f"every is {every}", hint="gradients of 1 or more steps can be accumulated")
    if not 0 <= weight_decay < math.inf:
        raise CompileError("GL212", f"weight_decay is {weight_decay}", hint="give 0 or more")
    for name, value in decays.items():
        if not 0 <= value < 1:
            raise CompileError("GL212", f"{name} is {value}", hint="give 0 or more, and less than 1")


def check_quantized_options(weights: str, rounding: str, bound: float) -> None:
    """Raises GL212 for a choice that does not exist, or that says nothing beside another."""
    for name, value, choices in (("weights", weights, _WEIGHTS), ("rounding", rounding, _ROUNDINGS)):
        if value not in choices:
            raise CompileError("GL212", f"{name} is {value!r}", hint=f"give {' or '.join(choices)}")
    if not 0 <= bound < math.inf:
        raise CompileError("GL212", f"bound is {bound}", hint="give 0 (not limited) or more")
    if weights != _WEIGHTS[0] and (bound or rounding != _ROUNDINGS[0]):
        what = f"bound and rounding are about weights that learn in place, and weights is {weights!r}"
        raise CompileError("GL212", what, hint="leave them away, or give weights=int8")


def update_attrs(emit: Emit, parameter: Value, every: int, **options: Any) -> dict[str, Any]:
    """Which part of its parameter a node updates, how often, and how.

    Options that are zero or false mean nothing to an update op, and are left out.
    """
    state = emit.graph.state_of(parameter)
    assert state is not None, f"{parameter} is not a state"
    region = state.region.attrs if state.region else {}
    group = {"every": every} if every > 1 else {}
    return {**region, **group, **{k: v for k, v in options.items() if v}}

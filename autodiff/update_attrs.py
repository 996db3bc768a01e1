"""Attributes that every update node has: which part of its parameter learns, how often, and options that are set."""

from __future__ import annotations

from typing import Any

from gradlet.ir.graph import Value
from gradlet.ir.op_def import Emit


def update_attrs(emit: Emit, parameter: Value, every: int, **options: Any) -> dict[str, Any]:
    """Options that are zero or false mean nothing to an update op, and are left out."""
    state = emit.graph.state_of(parameter)
    assert state is not None, f"{parameter} is not a state"
    region = state.region.attrs if state.region else {}
    group = {"every": every} if every > 1 else {}
    return {**region, **group, **{k: v for k, v in options.items() if v}}

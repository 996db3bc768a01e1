"""Pipelines as text: passes with options between commas, and the names of those in common use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gradlet.ir.errors import CompileError
from gradlet.ir.options import Call, make, parse_calls, to_call
from gradlet.ir.passes import Pass
from gradlet.ir.plugin import Toolbox

_FORWARD = "fold_constants,fold_batch_norm,fuse,dead_code"
_STEP = (
    "sparse_update,split_weights,differentiate,fuse_gradients,fold_constants,dead_code,push_slices,save_masks,fuse,"
    "quantize_gradients,order_floats,dead_code"
)
_PLACE = "choose_kernels,early_update,place_buffers"

# Name -> text. A name stands for its passes wherever a pass may stand.
NAMED: Mapping[str, str] = {
    "forward": _FORWARD,
    "inference": f"{_FORWARD},order_floats,{_PLACE}",
    "train": f"{_FORWARD},{_STEP},split_updates,{_PLACE}",
    # Gradients are kept to the end of the step: what early_update is compared with.
    "train_late_update": f"{_FORWARD},{_STEP},place_buffers",
    # As written by the rules of the ops: what all optimizing passes are compared with.
    "train_plain": "sparse_update,differentiate,place_buffers",
}


def parse_pipeline(text: str, options: Mapping[str, Mapping[str, Any]] | None = None) -> list[Call]:
    """The passes that a text names, named pipelines expanded; `options` are set on every pass of their name.

    Raises:
        CompileError: GL210 where the text is malformed.
    """
    calls = [part for call in parse_calls(text) for part in _expanded(call)]
    return with_options(calls, options or {})


def with_options(calls: Sequence[Call], options: Mapping[str, Mapping[str, Any]]) -> list[Call]:
    """The same passes with these options set on every pass of a name."""
    return [_with(call, options.get(call.name, {})) for call in calls]


def _expanded(call: Call) -> list[Call]:
    if call.name not in NAMED:
        return [call]
    if call.options:
        what = f"pipeline {call.name} takes no options, only its passes do"
        raise CompileError("GL210", what, hint=f"write its passes: {NAMED[call.name]}")
    return parse_calls(NAMED[call.name])


def _with(call: Call, options: Mapping[str, Any]) -> Call:
    return replace(call, options=tuple((dict(call.options) | dict(options)).items()))


def make_passes(toolbox: Toolbox, calls: Sequence[Call]) -> list[Pass]:
    """The passes themselves.

    Raises:
        CompileError: GL504 for an unknown pass, GL211 for an unknown option or a value of a wrong type.
    """
    return [make(toolbox, "passes", call) for call in calls]


def print_pass(pass_: Pass) -> str:
    """Name and options, defaults left out: reads back as the same pass."""
    return str(to_call(pass_.name, pass_))

"""What a user gives to a program: arrays, and numbers of outputs, checked against it before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Value
from gradlet.ir.tensor_type import TensorType


def check_arrays(given: Mapping[str, np.ndarray], wanted: Iterable[Value], kind: str) -> None:
    """Raises GL301 unless every array is one of the wanted ones, in its shape and kind of number (any precision)."""
    types = {v.name: v.type for v in wanted}
    for name, array in given.items():
        if name not in types:
            raise unknown_array(name, types, kind)
        check_array(name, np.asarray(array), types[name], kind)


def prediction_of(outputs: Sequence[Value], number: int) -> Value:
    """The output of a model that a user counts from 0; raises GL203 if there is none."""
    if not 0 <= number < len(outputs):
        what = f"the model has {len(outputs)} outputs, and prediction {number} is asked for"
        raise CompileError("GL203", what, hint="count the outputs from 0")
    return outputs[number]


def unknown_array(name: str, known: Iterable[str], kind: str) -> CompileError:
    near = get_close_matches(name, list(known), 3, 0)
    hint = f"there is {', '.join(near)}" if near else f"it has no {kind} at all"
    return CompileError("GL301", f"the program has no {kind} {name!r}", hint=hint)


def check_array(name: str, found: np.ndarray, wanted: TensorType, kind: str) -> None:
    # bfloat16, which numpy does not know itself, is of kind V.
    if found.shape != wanted.shape or (found.dtype.kind in "fV") != wanted.dtype.is_float:
        what = f"{kind} {name!r} is {wanted}, not {found.dtype}{list(found.shape)}"
        raise CompileError("GL301", what, hint="give it as `gradlet show` prints its type")


def check_inputs(given: Mapping[str, np.ndarray], wanted: Iterable[Value], where: str) -> None:
    """As `check_arrays`, and none is missing."""
    values = list(wanted)
    check_arrays(given, values, "input")
    missing = [v.name for v in values if v.name not in given]
    if missing:
        what = f"{where}: no array is given for input {', '.join(missing)}"
        raise CompileError("GL301", what, hint="give an array for every input, `lr` included")

"""States under the names and in the layout that they have in the user's model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gradlet.ir.arguments import check_array, unknown_array
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Part, Source, State, written_states
from gradlet.ir.tensor_type import DType, TensorType

_Held = tuple[State, Source]


def to_user(graph: Graph, states: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a session's states are in the user's model; states that it does not have are left out.

    What a pass has folded away (gamma and the statistics of a batch norm) is as it was when the model was imported.
    A state that does not change may be missing from `states` where other parts of the same tensor are there.
    """
    found = {}
    for name, held in _known(graph).items():
        if any(state.name in states for state, _ in held):
            contents = [states.get(state.name, state.init) for state, _ in held]
            found[name] = held[0][1].to_user(_joined(held, contents))
    return found


def _joined(held: Sequence[_Held], contents: Sequence[np.ndarray]) -> np.ndarray:
    part = held[0][1].part
    return np.concatenate(contents, part.axis) if part else contents[0]


def from_user(graph: Graph, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of the user's model as states for `Session.set_states`.

    Raises:
        CompileError: GL301 for a name that the program does not have, a wrong shape or kind of number, or another
            content of a part that cannot change.
    """
    known = _known(graph)
    changeable = written_states(graph)
    found = {}
    for name, array in arrays.items():
        if name not in known:
            raise unknown_array(name, known, "state of the model")
        user = np.asarray(array)
        for state, source in known[name]:
            type_ = state.value.type
            check_array(name, user, TensorType(_user_dtype(state, source), source.shape), "state of the model")
            content = _stored(source.to_ir(user, type_.shape), type_.dtype)
            if source.part is None or state.value in changeable:
                found[state.name] = content
            else:
                _check_kept(name, content, state, source.part)
    return found


def _user_dtype(state: State, source: Source) -> DType:
    """What was rescaled into integers is a float in the user's model."""
    return DType.F32 if source.rescales and not state.value.type.dtype.is_float else state.value.type.dtype


def _stored(content: np.ndarray, dtype: DType) -> np.ndarray:
    """Floats rounded where the state holds integers."""
    if dtype.is_float or content.dtype.kind != "f":
        return content
    limit = np.iinfo(dtype.value).max
    integers: np.ndarray = np.clip(np.rint(content.astype(np.float64)), -limit, limit).astype(dtype.numpy)
    return integers


def _check_kept(name: str, content: np.ndarray, state: State, part: Part) -> None:
    if not np.array_equal(content, state.init):
        what = f"{name} differs from the model in channels {part.begin} to {part.end - 1}, which do not learn"
        raise CompileError("GL301", what, hint="only what learns can be set: leave the rest as the program has it")


def _known(graph: Graph) -> dict[str, list[_Held]]:
    """Name in the user's model -> the states that hold the tensor: one, or its parts in their order."""
    known: dict[str, list[_Held]] = {}
    for state in graph.states:
        if state.source:
            known.setdefault(state.source.name, []).append((state, state.source))
    for held in known.values():
        held.sort(key=lambda h: h[1].part.begin if h[1].part else 0)
    return known

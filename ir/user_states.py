"""States under the names and in the layout that they have in the user's model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradlet.ir.arguments import check_array, unknown_array
from gradlet.ir.graph import Graph, Source, State


def to_user(graph: Graph, states: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a session's states are in the user's model; states that it does not have are left out.

    What a pass has folded away (gamma and the statistics of a batch norm) is as it was when the model was imported.
    """
    return {source.name: source.to_user(states[s.name]) for s, source in _known(graph) if s.name in states}


def from_user(graph: Graph, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of the user's model as states for `Session.set_states`.

    Raises:
        CompileError: GL301 for a name that the program does not have, or a wrong shape or kind of number.
    """
    known = {source.name: (state, source) for state, source in _known(graph)}
    found = {}
    for name, array in arrays.items():
        if name not in known:
            raise unknown_array(name, known, "state of the model")
        state, source = known[name]
        user = np.asarray(array)
        check_array(name, user, state.value.type.with_shape(*source.shape), "state of the model")
        found[state.name] = source.to_ir(user, state.value.type.shape)
    return found


def _known(graph: Graph) -> list[tuple[State, Source]]:
    return [(state, state.source) for state in graph.states if state.source]

"""Models with other parameters, written back and read again."""

from __future__ import annotations

import numpy as np

from gradlet.frontends.tflite.importer import ImportOptions, import_bytes
from gradlet.frontends.tflite.writer import Learnt, write_back
from gradlet.ir.user_states import to_user
from gradlet.tests.frontends.tflite.imported import toolbox


def parameters(data: bytes, classes: int | None = None) -> dict[str, np.ndarray]:
    graph = import_bytes(data, ImportOptions(classes), toolbox(), "net").graph
    return to_user(graph, {state.name: state.init for state in graph.states})


def moved(array: np.ndarray, seed: int) -> np.ndarray:
    """Other numbers, as learning makes them."""
    rng = np.random.default_rng(seed)
    if array.dtype == np.int8:
        return np.clip(array + rng.integers(-3, 4, array.shape), -127, 127).astype(np.int8)
    step = rng.integers(-50, 51, array.shape) if array.dtype == np.int32 else rng.normal(0, 0.1, array.shape)
    return (array + step).astype(array.dtype)


def learnt(data: bytes, classes: int | None = None) -> Learnt:
    found = parameters(data, classes)
    return Learnt({name: moved(array, k) for k, (name, array) in enumerate(found.items())}, classes)


def rewritten(data: bytes, classes: int | None = None) -> bytes:
    """With other parameters, which are those that are read again."""
    change = learnt(data, classes)
    result = write_back(data, change, toolbox())
    assert result != data
    if classes is None:
        found = parameters(result)
        for name, array in change.arrays.items():
            np.testing.assert_array_equal(found[name], array, name)
    return result

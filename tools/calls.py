"""Many calls of a session at a time: one request where the session has it, because a device may be far away."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from gradlet.ir.backend import Session

Stacked = Mapping[str, np.ndarray]
# Calls between two signs of progress, and the bytes of input that they may have together.
CHUNK = 32
CHUNK_BYTES = 32 << 20


def calls_at_a_time(bytes_each: int) -> int:
    return max(1, min(CHUNK, CHUNK_BYTES // max(1, bytes_each)))


def infer_all(session: Session, inputs: Stacked, wanted: Collection[str]) -> dict[str, np.ndarray]:
    """The wanted outputs of one inference for each index of the inputs' first axis."""
    return _all(getattr(session, "infer_many", None), session.infer, inputs, wanted)


def train_all(session: Session, inputs: Stacked, wanted: Collection[str]) -> dict[str, np.ndarray]:
    """The wanted outputs of one step for each index of the inputs' first axis, in order."""
    return _all(getattr(session, "train_steps", None), session.train_step, inputs, wanted)


def _all(
    many: Callable[[Stacked], dict[str, np.ndarray]] | None,
    one: Callable[[Stacked], dict[str, np.ndarray]],
    inputs: Stacked,
    wanted: Collection[str],
) -> dict[str, np.ndarray]:
    if many:
        found = many(inputs)
        return {name: found[name] for name in wanted}
    count = len(next(iter(inputs.values())))
    results = []
    for index in range(count):
        outputs = one({name: array[index] for name, array in inputs.items()})
        results.append([outputs[name] for name in wanted])
    return {name: np.stack(column) for name, column in zip(wanted, zip(*results, strict=True), strict=True)}

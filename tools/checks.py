"""Whether passes keep the numbers: the graph is run on the reference after each of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradlet.backends.reference.executor import Executor
from gradlet.ir.graph import Graph, Value
from gradlet.ir.op_def import OpSet
from gradlet.ir.passes import Pass

STEPS = 2
LR = 1e-3
TOLERANCE = 1e-4
_CLASSES = 2  # labels are drawn below it: every classifier has so many


def numeric_check(ops: OpSet, seed: int = 0) -> Callable[[Pass | None, Graph], None]:
    """A callback for the pass manager: two training steps on random input give what they gave before the pass.

    Raises:
        AssertionError: from the callback, naming the pass and the output that moved by more than 1e-4 of its largest
            magnitude.
    """
    before: list[list[np.ndarray]] = []

    def check(pass_: Pass | None, graph: Graph) -> None:
        after = run_steps(graph, ops, seed)
        for step, (old, new) in enumerate(zip(before, after, strict=False)):
            if len(old) != len(new) and step:
                break  # it learns since this pass: only the first step is what it was
            # The loss was put in front: the predictions are the last outputs, before and after.
            for old_value, new_value, value in zip(old[::-1], new[::-1], graph.outputs[::-1], strict=False):
                error = difference(new_value, old_value)
                assert error <= TOLERANCE, f"{pass_ and pass_.name} moves {value} by {error:.1e}\n{graph}"
        before[:] = after

    return check


def difference(new: np.ndarray, old: np.ndarray) -> float:
    """Largest difference, relative to the largest magnitude of `old`."""
    if new.shape != old.shape:
        return float("inf")
    largest = float(np.max(np.abs(old), initial=0.0))
    return float(np.max(np.abs(new - old), initial=0.0)) / (largest or 1.0)


def run_steps(graph: Graph, ops: OpSet, seed: int) -> list[list[np.ndarray]]:
    """The outputs of a few steps on inputs that depend on the seed and on nothing else."""
    executor, results = Executor(graph, ops), []
    for step in range(STEPS):
        outputs = executor.run({v.name: sample(v, seed + step) for v in graph.inputs})
        results.append([outputs[v.name] for v in graph.outputs])
    return results


def sample(value: Value, seed: int) -> np.ndarray:
    """Random content for an input: normal floats, labels, a small learning rate."""
    rng, type_ = np.random.default_rng(seed), value.type
    if value.name == "lr":
        return np.asarray(LR, type_.dtype.numpy)
    if type_.dtype.is_float:
        return rng.normal(size=type_.shape).astype(type_.dtype.numpy)
    return rng.integers(0, _CLASSES, size=type_.shape).astype(type_.dtype.numpy)

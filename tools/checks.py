"""Whether passes keep the numbers: the graph is run on the reference after each of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradlet.backends.reference.executor import Executor
from gradlet.ir.graph import Graph, Phase, Value
from gradlet.ir.op_def import OpSet
from gradlet.ir.passes import Pass, keeps_numbers

STEPS = 2
LR = 1e-3
TOLERANCE = 1e-4
_CLASSES = 2  # labels are drawn below it: every classifier has so many


def numeric_check(ops: OpSet, seed: int = 0) -> Callable[[Pass | None, Graph], None]:
    """A callback for the pass manager: what the graph gives on random input stays what it was before the pass.

    Raises:
        AssertionError: from the callback, naming the pass and the output that moved by more than 1e-4 of its largest
            magnitude.
    """
    before: dict[str, np.ndarray] = {}

    def check(pass_: Pass | None, graph: Graph) -> None:
        after = measure(graph, ops, seed)
        if pass_ and keeps_numbers(pass_):
            for name in before.keys() & after.keys():
                error = difference(after[name], before[name])
                assert error <= TOLERANCE, f"{pass_.name} moves {name} by {error:.1e}\n{graph}"
        before.update(after)

    return check


def difference(new: np.ndarray, old: np.ndarray) -> float:
    """Largest difference, relative to the largest magnitude of `old`."""
    if new.shape != old.shape:
        return float("inf")
    largest = float(np.max(np.abs(old), initial=0.0))
    return float(np.max(np.abs(new - old), initial=0.0)) / (largest or 1.0)


def measure(graph: Graph, ops: OpSet, seed: int = 0) -> dict[str, np.ndarray]:
    """The outputs on random input; of a training step those of a few steps, named `loss@1`.

    The first step of a training step predicts what its forward pass did before it was differentiated.
    """
    trains = any(node.phase is Phase.UPDATE for node in graph.nodes)
    executor = Executor(graph, ops)
    results: dict[str, np.ndarray] = {}
    for step in range(STEPS if trains else 1):
        outputs = executor.run({v.name: sample(v, seed + step) for v in graph.inputs})
        results |= {f"{name}@{step}": array for name, array in outputs.items()}
    return results


def sample(value: Value, seed: int) -> np.ndarray:
    """Random content for an input: normal floats, labels, a small learning rate."""
    rng, type_ = np.random.default_rng(seed), value.type
    if value.name == "lr":
        return np.asarray(LR, type_.dtype.numpy)
    if type_.dtype.is_float:
        return rng.normal(size=type_.shape).astype(type_.dtype.numpy)
    return rng.integers(0, _CLASSES, size=type_.shape).astype(type_.dtype.numpy)

"""Finds the first pass that changes the numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradlet.ir.graph import Graph
from gradlet.ir.passes import Context, Pass, keeps_numbers
from gradlet.ir.printer import print_graph
from gradlet.optimizers.pass_manager import PassManager
from gradlet.optimizers.pipelines import print_pass

# Runs a graph on fixed inputs: name -> numbers. Names that two graphs have in common are compared.
Measure = Callable[[Graph], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Culprit:
    """The first pass after which a number is different.

    Attributes:
        text: The pass with its options.
        output: Which number.
        before: What it was; `after`: what it became.
        printed: The graph before and after the pass.
    """

    text: str
    output: str
    before: np.ndarray
    after: np.ndarray
    printed: tuple[str, str]


class _FoundError(Exception):
    def __init__(self, culprit: Culprit):
        self.culprit = culprit


def find_culprit(
    graph: Graph, context: Context, passes: Sequence[Pass], measure: Measure, tolerance: float = 1e-5
) -> Culprit | None:
    """Applies the passes to the graph up to the first that changes a number by more than `tolerance`, relatively."""
    numbers: dict[str, np.ndarray] = {}
    printed = ""

    def compare(pass_: Pass | None, present: Graph) -> None:
        nonlocal printed
        new, text = measure(present), print_graph(present)
        for name in numbers if pass_ and keeps_numbers(pass_) else ():
            if name in new and not _close(numbers[name], new[name], tolerance):
                assert pass_ is not None
                raise _FoundError(Culprit(print_pass(pass_), name, numbers[name], new[name], (printed, text)))
        numbers.update(new)
        printed = text

    try:
        PassManager(context, passes, check=compare).run(graph)
    except _FoundError as found:
        return found.culprit
    return None


def _close(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    if a.shape != b.shape:
        return False
    scale = max(float(np.max(np.abs(a), initial=0.0)), 1e-30)
    return bool(np.all(np.abs(a.astype(np.float64) - b) <= tolerance * scale)) or bool(np.array_equal(a, b))

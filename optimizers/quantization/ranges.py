"""Which part of what an activation may be becomes int8."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gradlet.ir.errors import CompileError
from gradlet.ir.options import Call
from gradlet.optimizers.quantization.statistics import Statistics

Range = tuple[float, float]


def choose(method: Call, statistics: Statistics, *, symmetric: bool = False) -> Range:
    """(low, high), low <= 0 <= high: numbers outside are clamped.

    Args:
        method: minmax, with options where a method has some.
        statistics: Of the activation.
        symmetric: Whether -low and high will be made one: what counts is then the larger of them.

    Raises:
        CompileError: GL212 for a method that does not exist.
    """
    if method.name not in METHODS:
        raise CompileError("GL212", f"ranges={method.name}", hint=f"give {', '.join(METHODS)}")
    low, high = METHODS[method.name](statistics, symmetric)
    return min(low, 0.0), max(high, 0.0)


def minmax(statistics: Statistics, symmetric: bool) -> Range:
    """All numbers seen."""
    return statistics.low, statistics.high


METHODS: Mapping[str, Callable[[Statistics, bool], Range]] = {"minmax": minmax}

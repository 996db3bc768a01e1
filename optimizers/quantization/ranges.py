"""Which part of what an activation may be becomes int8."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.options import Call, build
from gradlet.optimizers.quantization.statistics import BINS, Statistics

Range = tuple[float, float]
# Numbers that int8 has; int16 has more.
LEVELS = 256


def choose(method: Call, statistics: Statistics, *, symmetric: bool = False, levels: int = LEVELS) -> Range:
    """(low, high), low <= 0 <= high: numbers outside are clamped.

    Args:
        method: A key of METHODS, with options where it has some.
        statistics: Of the activation.
        symmetric: Whether -low and high will be made one: what counts is then the larger of them.
        levels: How many integers there are.

    Raises:
        CompileError: GL212 for a method that does not exist or an option out of range, GL211 for an unknown option.
    """
    if method.name not in METHODS:
        raise CompileError("GL212", f"ranges={method.name}", hint=f"give {', '.join(METHODS)}")
    low, high = build(METHODS[method.name], method)(statistics, symmetric, levels)
    return min(low, 0.0), max(high, 0.0)


def _check_share(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise CompileError("GL212", f"{name}={value}", hint=f"give a number from {least:g} to {most:g}")


@dataclass(frozen=True)
class MinMax:
    """All numbers seen."""

    def __call__(self, statistics: Statistics, symmetric: bool, levels: int = LEVELS) -> Range:
        return statistics.low, statistics.high


@dataclass(frozen=True)
class MovingAverage:
    """The extremes of a batch, averaged over the batches: later ones count more, single outliers less.

    Attributes:
        momentum: What remains of the average at each batch; the first batch is where it begins.
    """

    momentum: float = 0.9

    def __post_init__(self) -> None:
        _check_share("momentum", self.momentum, 0, 1)

    def __call__(self, statistics: Statistics, symmetric: bool, levels: int = LEVELS) -> Range:
        return self._averaged(statistics.lows), self._averaged(statistics.highs)

    def _averaged(self, extremes: list[float]) -> float:
        average = extremes[0]
        for extreme in extremes[1:]:
            average = self.momentum * average + (1 - self.momentum) * extreme
        return average


@dataclass(frozen=True)
class Percentile:
    """What remains without the outermost numbers: of each side, or of the magnitudes where symmetric.

    Attributes:
        percent: Of the numbers that lie below the upper end; as many lie above the lower one.
    """

    percent: float = 99.99

    def __post_init__(self) -> None:
        _check_share("percent", self.percent, 50, 100)

    def __call__(self, statistics: Statistics, symmetric: bool, levels: int = LEVELS) -> Range:
        if symmetric:
            end = _quantile(_magnitudes(statistics), statistics.edges[BINS // 2 :], self.percent)
            return _within(statistics, end)
        low, high = (_quantile(statistics.counts, statistics.edges, p) for p in (100 - self.percent, self.percent))
        return max(low, statistics.low), min(high, statistics.high)


@dataclass(frozen=True)
class KullbackLeibler:
    """The magnitude at which clamped and rounded numbers tell most about the original ones.

    S. Migacz, 8-bit inference with TensorRT (GTC 2017): the histogram of the magnitudes up to a bin, the rest counted
    in that bin, is P; its bins merged into as many as there are levels, each spread evenly over those of its bins that
    are not empty, is Q. The bin with the smallest divergence sum(P log(P / Q)) wins.
    """

    def __call__(self, statistics: Statistics, symmetric: bool, levels: int = LEVELS) -> Range:
        levels = levels if statistics.low >= 0 and not symmetric else levels // 2
        counts = np.trim_zeros(_magnitudes(statistics), "b")
        # What is exactly 0, after a ReLU the most part, is so for every range: counted as it is, it decides alone.
        counts[0] = counts[min(1, len(counts) - 1)]
        candidates = range(len(counts), min(levels, len(counts)) - 1, -1)  # of equals, the widest
        best = min(candidates, key=lambda bins: divergence(counts, bins, levels))
        return _within(statistics, best * statistics.width)


def divergence(counts: np.ndarray, bins: int, levels: int) -> float:
    """KL(P || Q) in nats, of magnitudes counted int64[N] that are clamped to the first `bins`."""
    kept = counts[:bins].astype(np.float64)
    p = kept.copy()
    p[-1] += counts[bins:].sum()
    level = np.arange(bins) * levels // bins
    filled = p > 0
    totals, sharing = (np.bincount(level, w, levels)[level][filled] for w in (kept, filled))
    if not totals.all():
        return np.inf  # Q knows nothing about the outliers
    p, q = p[filled] / counts.sum(), totals / sharing / kept.sum()
    return float(np.sum(p * np.log(p / q)))


@dataclass(frozen=True)
class MeanSquaredError:
    """The ends at which rounding and clamping make the smallest squared error.

    Attributes:
        steps: Ends that are tried of each side, evenly from the outermost number; both are varied in turn.
    """

    steps: int = 100

    def __post_init__(self) -> None:
        _check_share("steps", self.steps, 1, 1000)

    def __call__(self, statistics: Statistics, symmetric: bool, levels: int = LEVELS) -> Range:
        filled = np.flatnonzero(statistics.counts)
        numbers, counts = (statistics.edges[filled] + statistics.edges[filled + 1]) / 2, statistics.counts[filled]
        shares = np.arange(1, self.steps + 1) / self.steps

        def error(low: float, high: float) -> float:
            return float(counts @ (rounded(numbers, low, high, symmetric, levels) - numbers) ** 2)

        low, high = min(statistics.low, 0.0), max(statistics.high, 0.0)
        if symmetric:
            end = max(-low, high)
            return _within(statistics, min(end * shares, key=lambda e: error(-e, e)))
        return _descend(error, low * shares, high * shares)


def _descend(error: Callable[[float, float], float], lows: np.ndarray, highs: np.ndarray) -> Range:
    """A pair that no other low, and no other high, makes better; each list ends with the outermost number."""
    low, high, before = lows[-1], highs[-1], None
    while before != (low, high):
        before = low, high
        high = min(highs, key=lambda end: error(low, end))
        low = min(lows, key=lambda end: error(end, high))
    return float(low), float(high)


def rounded(numbers: np.ndarray, low: float, high: float, symmetric: bool = False, levels: int = LEVELS) -> np.ndarray:
    """The numbers as so many integers with this range give them back."""
    if low >= high:
        return np.zeros_like(numbers)
    if symmetric:
        step, zero = max(-low, high) / (levels // 2 - 1), 0
    else:
        step = (high - low) / (levels - 1)
        zero = round(-levels // 2 - low / step)
    stored = np.clip(np.rint(numbers / step) + zero, -levels // 2, levels // 2 - 1)
    back: np.ndarray = (stored - zero) * step
    return back


def _magnitudes(statistics: Statistics) -> np.ndarray:
    """int64[BINS / 2]: how many numbers have a magnitude in each bin from zero on."""
    negative, positive = statistics.counts[: BINS // 2], statistics.counts[BINS // 2 :]
    folded: np.ndarray = positive + negative[::-1]
    return folded


def _quantile(counts: np.ndarray, edges: np.ndarray, percent: float) -> float:
    """The number below which so many percent lie, those of a bin spread evenly over it."""
    below = np.concatenate([[0], np.cumsum(counts)])
    return float(np.interp(percent / 100 * below[-1], below, edges))


def _within(statistics: Statistics, magnitude: float) -> Range:
    """What was seen, clamped to a magnitude."""
    return max(statistics.low, -float(magnitude)), min(statistics.high, float(magnitude))


METHODS: Mapping[str, Any] = {
    "minmax": MinMax,
    "moving_average": MovingAverage,
    "percentile": Percentile,
    "kl": KullbackLeibler,
    "mse": MeanSquaredError,
}

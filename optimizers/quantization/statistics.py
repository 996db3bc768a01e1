"""What calibration remembers of a tensor: its extremes and a histogram, in memory that stays small."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

# Of a histogram: even, half of them on each side of zero.
BINS = 4096


@dataclass(eq=False)
class Statistics:
    """Numbers seen so far. Bin k counts those in `[(k - BINS / 2) * width, (k + 1 - BINS / 2) * width)`.

    Attributes:
        lows: Smallest number of each batch.
        highs: Largest number of each batch.
        width: Of a bin, a power of two; 0 as long as nothing but zeros was seen. It doubles where a number lies outside
            of all bins: neighbours then become one, and no count is guessed.
        counts: int64[BINS].
    """

    lows: list[float] = field(default_factory=list)
    highs: list[float] = field(default_factory=list)
    width: float = 0.0
    counts: np.ndarray = field(default_factory=lambda: np.zeros(BINS, np.int64))

    @property
    def low(self) -> float:
        return min(self.lows)

    @property
    def high(self) -> float:
        return max(self.highs)

    @property
    def edges(self) -> np.ndarray:
        """float64[BINS + 1]."""
        return (np.arange(BINS + 1) - BINS // 2) * self.width

    def add(self, batch: np.ndarray) -> None:
        """Counts a batch of finite numbers, at least one."""
        low, high = float(batch.min()), float(batch.max())
        self.lows.append(low)
        self.highs.append(high)
        self._widen(max(abs(low), abs(high)))
        if self.width:
            bins = np.floor(batch.reshape(-1).astype(np.float64) / self.width).astype(np.int64) + BINS // 2
            self.counts += np.bincount(bins, minlength=BINS)
        else:
            self.counts[BINS // 2] += batch.size

    def _widen(self, largest: float) -> None:
        """Makes bins so wide that `largest` and its negative lie in one."""
        if not largest:
            return
        needed = 2.0 ** (math.frexp(largest)[1] + 1) / BINS
        while self.width and self.width < needed:
            pairs = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.zeros(BINS, np.int64)
            self.counts[BINS // 4 : BINS // 4 + BINS // 2] = pairs
            self.width *= 2
        self.width = self.width or needed

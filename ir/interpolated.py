"""Functions of one int16 value: tables at every 128th integer, and straight lines between them, as TFLite has them."""

from __future__ import annotations

import numpy as np

from gradlet.ir.graph import Attrs
from gradlet.ir.int8_functions import exact, slopes
from gradlet.ir.requantize import clamped

# Bits of the place between two entries.
STEP_BITS = 7
_STEP = 1 << STEP_BITS
_LOWEST = -(2**15)
_PLACES = np.arange(_LOWEST, 2**15 + 1, _STEP)


def table(attrs: Attrs) -> np.ndarray:
    """i16[513]: the nearest integers to the function at -32768, -32640, ..., 32768; NaN counts as the lowest."""
    r = exact(_PLACES, attrs)
    found: np.ndarray = clamped(np.rint(np.where(np.isnan(r), -np.inf, r)), attrs)[0].astype(np.int16)
    return found


def slope_table(attrs: Attrs) -> np.ndarray:
    """f32[512]: the slopes in the middle between two entries."""
    found: np.ndarray = slopes(_PLACES[:-1] + _STEP / 2, attrs).astype(np.float32)
    return found


def segment(x: np.ndarray) -> np.ndarray:
    """int64: the index of the entry at or before int16 values."""
    found: np.ndarray = (x.astype(np.int64) - _LOWEST) >> STEP_BITS
    return found


def evaluate(x: np.ndarray, attrs: Attrs) -> np.ndarray:
    """int16: the line between two entries, rounded half up."""
    entries, at = table(attrs).astype(np.int64), segment(x)
    behind = (x.astype(np.int64) - _LOWEST) & (_STEP - 1)
    rise = (entries[at + 1] - entries[at]) * behind
    y: np.ndarray = (entries[at] + ((rise + _STEP // 2) >> STEP_BITS)).astype(np.int16)
    return y

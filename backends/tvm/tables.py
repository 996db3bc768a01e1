"""Constant arrays: te has none, so that a stage unpacks them from words that a tree of comparisons chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradlet.backends.tvm.package import te, tirx


def constant_array(array: np.ndarray, name: str) -> Callable[[Any], Any]:
    """The elements of a vector of int8, int16, int32 or float32 by their index."""
    per_word = 8 // array.itemsize
    words = np.pad(array, (0, -array.size % per_word)).view(np.int64).tolist()
    bits = tirx.const(8 * array.itemsize, "int64")

    def element(k: Any) -> Any:
        word = _chosen(words, k // per_word)
        integer = tirx.shift_right(word, (k % per_word).astype("int64") * bits).astype(f"int{8 * array.itemsize}")
        return tirx.reinterpret("float32", integer) if array.dtype == np.float32 else integer

    return te.compute(array.shape, element, name=name)


def _chosen(words: Sequence[int], index: Any, first: int = 0) -> Any:
    """words[index - first]."""
    if len(words) == 1:
        return tirx.const(words[0], "int64")
    half = len(words) // 2
    low, high = _chosen(words[:half], index, first), _chosen(words[half:], index, first + half)
    return tirx.Select(index < first + half, low, high)

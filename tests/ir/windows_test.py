"""Results may take the place of pixels that the window has passed, and only of those."""

import itertools

import numpy as np
import pytest

from gradlet.ir.windows import Window

SHAPE = (1, 7, 8, 1)
WINDOWS = [
    Window((k, k), strides, (p, p, p, p), (d, d))
    for k, strides, p, d in itertools.product((1, 2, 3, 5), ((1, 1), (2, 2), (2, 1), (1, 2)), (0, 1, 2), (1, 2))
    if 7 + 2 * p >= (k - 1) * d + 1
]


def sums_in_place(window: Window, image: np.ndarray) -> np.ndarray:
    """The sum of what each position sees, written over the image in raster order as soon as it is known."""
    memory, rows, columns = image.copy().ravel(), *window.output_size(SHAPE)
    for k in range(rows * columns):
        memory[k] = window.gather(memory.reshape(SHAPE)).sum(axis=3).ravel()[k]
    return memory[: rows * columns]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_window_that_runs_ahead_can_be_computed_in_place(window: Window):
    image = np.random.default_rng(0).normal(size=SHAPE)
    rows, columns = window.output_size(SHAPE)
    if rows * columns > image.size:
        return
    right = np.allclose(sums_in_place(window, image), window.gather(image).sum(axis=3).ravel())
    assert right == window.runs_ahead(SHAPE)


def test_both_kinds_occur():
    kinds = {w.runs_ahead(SHAPE) for w in WINDOWS}
    assert kinds == {True, False}
    assert Window((3, 3), (2, 2), (1, 1, 1, 1)).runs_ahead(SHAPE)
    assert not Window((3, 3), (1, 1), (1, 1, 1, 1)).runs_ahead(SHAPE)

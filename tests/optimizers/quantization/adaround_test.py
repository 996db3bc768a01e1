"""AdaRound: its gradient, what it promises of each weight, and outputs closer than those of rounding to the nearest."""

import itertools
from typing import Any

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
from gradlet.ir.plugin import Toolbox, builtin
from gradlet.optimizers.quantization.adaround import (
    AdaRound,
    Problem,
    columns_of,
    from_rows,
    logit,
    rectified_sigmoid,
    rows_of,
    squared_error,
    sums_of,
)

OPS = Toolbox([builtin()]).ops
WINDOW = {"strides": (2, 1), "padding": (1, 0, 2, 1), "dilation": (1, 2)}
LAYERS: dict[str, tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "conv2d": ("conv2d", (3, 7, 8, 4), (6, 3, 3, 4), WINDOW),
    "pointwise": ("conv2d", (3, 5, 5, 24), (8, 1, 1, 24), {"strides": (1, 1), "padding": (0, 0, 0, 0)}),
    "grouped": ("conv2d", (3, 7, 8, 4), (6, 3, 2, 2), WINDOW | {"groups": 2}),
    "depthwise": ("depthwise_conv2d", (3, 7, 8, 4), (3, 3, 8), WINDOW),
    "dense": ("dense", (200, 32), (10, 32), {}),
}


def layer(name: str) -> tuple[str, np.ndarray, np.ndarray, dict[str, Any]]:
    """(op, input, weights in units of their scale, attributes); inputs are correlated, as behind a ReLU."""
    op, image, shape, attrs = LAYERS[name]
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=image) @ rng.normal(size=(image[-1], image[-1])) + 2 * rng.normal(size=image[:1])[0]
    return op, np.maximum(mixed + 1, 0), rng.normal(scale=4, size=shape), attrs


def kernel_of(op: str, w: np.ndarray) -> tuple[int, ...]:
    return w.shape[:2] if op == "depthwise_conv2d" else w.shape[1:3]


def flattened(op: str, w: np.ndarray, attrs: dict[str, Any], x: np.ndarray) -> list[np.ndarray]:
    """Rows, and columns at all places."""
    (y,) = OPS[op].evaluate([x, w], attrs)
    places = np.arange(y.size // y.shape[-1])
    return [rows_of(op, w, attrs, x.shape[-1]), columns_of(op, x, kernel_of(op, w), attrs, places)]


@pytest.mark.parametrize("name", LAYERS)
def test_rows_meet_columns_as_the_op_says(name: str):
    op, x, w, attrs = layer(name)
    rows, columns = flattened(op, w, attrs, x)
    (expected,) = OPS[op].evaluate([x, w], attrs)
    found = (columns @ rows.transpose(0, 2, 1)).transpose(1, 0, 2).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(from_rows(op, rows, w.shape), w)


@pytest.mark.parametrize("name", LAYERS)
def test_few_columns_are_those_of_their_places(name: str):
    op, x, w, attrs = layer(name)
    (y,) = OPS[op].evaluate([x, w], attrs)
    rows, all_ = flattened(op, w, attrs, x)
    places = AdaRound(columns=7).places(y.size // y.shape[-1])
    assert len(places) == 7
    few = columns_of(op, x, kernel_of(op, w), attrs, places)
    np.testing.assert_array_equal(few, all_[:, places])
    np.testing.assert_allclose(few @ rows.transpose(0, 2, 1), sums_of(y, len(rows), places), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("beta", [2.0, 3.5, 20.0])
def test_gradient_is_the_slope(beta: float):
    rng = np.random.default_rng(2)
    floor, columns = rng.integers(-3, 3, (2, 3, 5)).astype(float), rng.normal(size=(2, 7, 5))
    wanted, unit = rng.normal(size=(2, 7, 3)), rng.uniform(1, 2, (2, 3))
    problem = Problem.of(floor, columns, wanted, unit, 0.7)
    v, direction = rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 3, 5))
    v[0, 0, :2] = -6, 6  # beyond the ends, where nothing moves

    def value(v: np.ndarray) -> float:
        """As the paper writes it."""
        h = rectified_sigmoid(v)
        error = squared_error(floor + h, columns, wanted) / unit * 5
        return float(error.sum() + 0.7 * np.sum(1 - np.abs(2 * h - 1) ** beta))

    loss, gradient = problem.loss(v, beta)
    moved = v + direction
    assert problem.loss(moved, beta)[0] - loss == pytest.approx(value(moved) - value(v), rel=1e-9)
    ahead, behind = (value(v + s * 1e-6 * direction) for s in (1, -1))
    assert np.sum(gradient * direction) == pytest.approx((ahead - behind) / 2e-6, rel=1e-6)
    assert not gradient[0, 0, :2].any()
    assert gradient[1].all()


def test_rectified_sigmoid_goes_both_ways():
    h = np.linspace(0, 1, 11)
    np.testing.assert_allclose(rectified_sigmoid(logit(h)), h, atol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_come_closer(name: str):
    op, x, w, attrs = layer(name)
    rows, columns = flattened(op, w, attrs, x)
    wanted = columns @ rows.transpose(0, 2, 1)
    learned = AdaRound().round(rows, columns)
    assert learned.dtype == np.int8
    assert np.abs(learned - rows).max() < 1
    own, usual = (squared_error(r, columns, wanted) for r in (learned.astype(float), np.rint(rows)))
    assert (own <= usual * (1 + 1e-9)).all()
    assert own.sum() < 0.75 * usual.sum()


def test_samples_that_were_not_seen_come_closer_too():
    op, x, w, attrs = layer("dense")
    rows, columns = flattened(op, w, attrs, x)
    learned = AdaRound().round(rows, columns[:, :100]).astype(float)
    unseen = columns[:, 100:]
    own, usual = (squared_error(r, unseen, unseen @ rows.transpose(0, 2, 1)).sum() for r in (learned, np.rint(rows)))
    assert own < 0.8 * usual


def test_of_all_roundings_of_four_weights_good_ones_are_found():
    rng = np.random.default_rng(3)
    rows, columns = rng.normal(scale=3, size=(1, 40, 4)), rng.normal(size=(1, 50, 4)) @ rng.normal(size=(4, 4))
    wanted = columns @ rows.transpose(0, 2, 1)
    choices = [np.floor(rows) + np.array(up) for up in itertools.product((0, 1), repeat=4)]
    best = np.min([squared_error(c, columns, wanted) for c in choices], axis=0)
    learned, usual = (squared_error(r, columns, wanted) for r in (AdaRound().round(rows, columns), np.rint(rows)))
    assert (learned >= best * (1 - 1e-9)).all()
    assert np.isclose(learned, best).mean() > np.isclose(usual, best).mean() + 0.1
    assert learned.sum() - best.sum() < 0.4 * (usual.sum() - best.sum())


def test_a_target_makes_up_for_what_came_before():
    """Inputs that are quantised themselves: the sums of the float network are aimed at."""
    op, x, w, attrs = layer("pointwise")
    rows, columns = flattened(op, w, attrs, x)
    seen = np.rint(columns / 2) * 2 + 0.3
    wanted = columns @ rows.transpose(0, 2, 1)
    aimed, plain = (AdaRound().round(rows, seen, t).astype(float) for t in (wanted, None))
    assert squared_error(aimed, seen, wanted).sum() < 0.9 * squared_error(plain, seen, wanted).sum()


def test_weights_beyond_int8_are_clamped():
    rows = np.array([[[200.3, -150.0, 126.6, 0.4]]])
    learned = AdaRound(steps=50).round(rows, np.random.default_rng(4).normal(size=(1, 20, 4)))
    assert learned[0, 0, :2].tolist() == [127, -127]
    assert learned[0, 0, 2] in (126, 127)


def test_channels_without_inputs_are_rounded_to_the_nearest():
    rows = np.random.default_rng(5).normal(size=(1, 3, 4))
    np.testing.assert_array_equal(AdaRound(steps=50).round(rows, np.zeros((1, 6, 4))), np.rint(rows))


def test_options_out_of_range():
    with pytest.raises(CompileError, match="steps=0"):
        AdaRound(steps=0)
    with pytest.raises(CompileError, match="warmup=1"):
        AdaRound(warmup=1.0)

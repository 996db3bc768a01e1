"""The witness computes what can be computed by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from gradlet.tests.witness import train

X = np.array([[1.0, 2.0], [3.0, -1.0]], np.float32)
T = np.array([[0.5], [1.0]], np.float32)


def line() -> nn.Module:
    module = nn.Linear(2, 1)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[0.25, -0.5]]))
        module.bias.fill_(0.125)
    return module


def gradient(w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    g = 2 * (X @ w.T + b - T) / T.size
    return g.T @ X, g.sum(axis=0)


def test_gradient_descent():
    module, w, b = line(), np.array([[0.25, -0.5]]), np.array([0.125])
    result = train(module, [(X, T)] * 3, loss="mse", lr=0.1, options={"weight_decay": 0.01})
    for loss in result.losses:
        assert loss == pytest.approx(np.mean((X @ w.T + b - T) ** 2), rel=1e-12)
        dw, db = gradient(w, b)
        w, b = w - 0.1 * (dw + 0.01 * w), b - 0.1 * (db + 0.01 * b)
    np.testing.assert_allclose(result.states["weight"], w, rtol=1e-12)
    np.testing.assert_allclose(result.states["bias"], b, rtol=1e-12)
    assert module.weight[0, 0] == 0.25


def test_what_does_not_learn_stays():
    learn = {"weight": np.array([[True, False]])}
    result = train(line(), [(X, T)] * 2, loss="mse", update="adam", learn=learn, options={"weight_decay": 0.1})
    assert result.states["weight"][0, 0] != 0.25
    assert result.states["weight"][0, 1] == -0.5
    assert result.states["bias"] == 0.125
    assert set(result.moments) == {"weight.mean", "weight.square"}


def test_accumulated_gradients_are_those_of_a_larger_batch():
    parts = [(X[:1], T[:1]), (X[1:], T[1:])]
    apart = train(line(), parts, loss="mse", update="momentum", options={"every": 2})
    together = train(line(), [(X, T)], loss="mse", update="momentum")
    for name, array in together.states.items():
        np.testing.assert_allclose(apart.states[name], array, rtol=1e-12)
    np.testing.assert_allclose(apart.moments["weight.velocity"], together.moments["weight.velocity"], rtol=1e-12)


def test_steps_that_are_not_due_change_nothing():
    result = train(line(), [(X, T)] * 3, loss="mse", options={"every": 4})
    assert result.states["bias"] == 0.125
    dw, _ = gradient(np.array([[0.25, -0.5]]), np.array([0.125]))
    np.testing.assert_allclose(result.gradients["weight"], 3 / 4 * dw, rtol=1e-12)


def test_cross_entropy_in_single_precision():
    result = train(line(), [(X, np.array([0, 0], np.int32))], dtype=torch.float32)
    assert result.losses == [0.0]  # one class
    assert result.states["weight"].dtype == np.float32

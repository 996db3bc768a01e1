"""Orders in which the channels that several layers have chosen lie side by side."""

import itertools

import numpy as np
import pytest

from gradlet.optimizers.channel_runs import order_for, runs_of

CHANNELS = 24


def _choices(layers: int, seed: int, channels: int = CHANNELS) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.permutation(channels) < rng.integers(1, channels) for _ in range(layers)]


def _runs(choices: list[np.ndarray], order: list[int]) -> list[int]:
    return [len(runs_of(choice[order])) for choice in choices]


@pytest.mark.parametrize(
    ("marks", "runs"),
    [
        ([], []),
        ([0, 0], []),
        ([1, 1], [(0, 2)]),
        ([0, 1, 1, 0, 1], [(1, 3), (4, 5)]),
        ([1, 0, 0, 1, 0], [(0, 1), (3, 4)]),
    ],
)
def test_runs(marks, runs):
    assert runs_of(np.array(marks, bool)) == runs


def test_the_chosen_channels_come_first_in_their_order():
    assert order_for([np.array([0, 1, 0, 0, 1, 1], bool)]) == [1, 4, 5, 0, 2, 3]


@pytest.mark.parametrize("seed", range(20))
def test_two_choices_are_one_run_each(seed):
    choices = _choices(2, seed)
    order = order_for(choices)
    assert sorted(order) == list(range(CHANNELS))
    assert _runs(choices, order) == [1, 1]


@pytest.mark.parametrize("seed", range(20))
def test_of_three_choices_one_is_two_runs_at_most(seed):
    choices = _choices(3, seed)
    assert sum(_runs(choices, order_for(choices))) <= 4


@pytest.mark.parametrize("seed", range(6))
def test_no_order_of_few_channels_has_fewer_runs(seed):
    choices = _choices(3, seed, channels=7)
    best = min(sum(_runs(choices, list(order))) for order in itertools.permutations(range(7)))
    assert sum(_runs(choices, order_for(choices))) == best


@pytest.mark.parametrize("seed", range(6))
def test_many_choices_lie_in_fewer_runs_than_they_did(seed):
    choices = _choices(5, seed, channels=64)
    order = order_for(choices)
    assert sorted(order) == list(range(64))
    assert sum(_runs(choices, order)) < 0.6 * sum(_runs(choices, list(range(64))))


def test_nested_choices_begin_together():
    choices = [np.arange(9) % 3 == 0, np.arange(9) % 3 != 1]
    order = order_for(choices)
    assert [runs_of(c[order]) for c in choices] == [[(0, 3)], [(0, 6)]]


def test_channels_that_nobody_chose_come_last():
    choices = [np.isin(np.arange(10), (2, 5)), np.isin(np.arange(10), (5, 7))]
    assert order_for(choices)[3:] == [0, 1, 3, 4, 6, 8, 9]

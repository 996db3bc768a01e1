"""The largest first, then better orders: what ends highest is placed earlier, as long as that does not hurt."""

import random
from collections.abc import Sequence

from gradlet.optimizers.arena_problem import Problem

# Slots placed in all trials together, and trials at most: a second or three.
_WORK, _TRIALS = 120_000, 300


def place(problem: Problem) -> list[int]:
    return improve(problem, problem.sorted_by(lambda k: (-problem.sizes[k], problem.slots[k].first)))


def improve(problem: Problem, order: Sequence[int], seed: int = 0) -> list[int]:
    """The lowest placement found from an order, with a fixed number of trials: the same for the same input."""
    draw = random.Random(seed)
    budget = min(_TRIALS, _WORK // (len(order) + 1))
    present = list(order)
    offsets = problem.place(present)
    low = height = problem.height(offsets)
    best = offsets
    for _ in range(budget):
        if low <= problem.bound:
            break
        trial = _moved(problem, present, offsets, height, draw)
        trial_offsets = problem.place(trial)
        trial_height = problem.height(trial_offsets)
        if trial_height <= height:
            present, offsets, height = trial, trial_offsets, trial_height
        if height < low:
            low, best = height, offsets
    return best


def _moved(
    problem: Problem, order: Sequence[int], offsets: Sequence[int], height: int, draw: random.Random
) -> list[int]:
    """The order with one of the highest slots, or one that lives with it, before an earlier one."""
    top = draw.choice([k for k in order if offsets[k] + problem.sizes[k] == height])
    moved = draw.choice([top, top, *problem.conflicts[top]])
    rest = [k for k in order if k != moved]
    rest.insert(draw.randint(0, order.index(moved)), moved)
    return rest

"""The lowest placement of all algorithms, improved by climbing from it."""

from gradlet.optimizers.arena_problem import Problem
from gradlet.optimizers.placement import best_fit, by_area, by_conflict, by_lifetime, by_size, first_fit, hill_climb


def place(problem: Problem) -> list[int]:
    low: list[int] | None = None
    for algorithm in (by_size, by_area, by_conflict, by_lifetime, first_fit, best_fit):
        offsets = algorithm.place(problem)
        if low is None or problem.height(offsets) < problem.height(low):
            low = offsets
        if problem.height(low) <= problem.bound:
            return low
    assert low is not None
    start = low
    # Placing in the order of the offsets gives the same placement, or a lower one.
    climbed = hill_climb.improve(problem, problem.sorted_by(lambda k: (start[k], problem.slots[k].first)))
    return min(climbed, low, key=problem.height)

"""In the order of the schedule, each slot in the smallest gap that holds it."""

from gradlet.optimizers.arena_problem import Problem, tightest


def place(problem: Problem) -> list[int]:
    return problem.place(problem.sorted_by(lambda k: (problem.slots[k].first, -problem.sizes[k])), tightest)

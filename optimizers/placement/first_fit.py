"""In the order of the schedule, each slot as low as it can lie."""

from gradlet.optimizers.arena_problem import Problem


def place(problem: Problem) -> list[int]:
    return problem.place(problem.sorted_by(lambda k: (problem.slots[k].first, -problem.sizes[k])))

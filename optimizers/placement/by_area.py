"""The most bytes times steps first, each as low as it can lie."""

from gradlet.optimizers.arena_problem import Problem


def place(problem: Problem) -> list[int]:
    def area(k: int) -> int:
        return problem.sizes[k] * (problem.slots[k].last - problem.slots[k].first + 1)

    return problem.place(problem.sorted_by(lambda k: (-area(k), problem.slots[k].first)))

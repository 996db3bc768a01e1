"""Those first that live with the most bytes, each as low as it can lie."""

from gradlet.optimizers.arena_problem import Problem


def place(problem: Problem) -> list[int]:
    def pressure(k: int) -> int:
        return sum(problem.sizes[j] for j in problem.conflicts[k]) + problem.sizes[k]

    return problem.place(problem.sorted_by(lambda k: (-pressure(k), -problem.sizes[k])))

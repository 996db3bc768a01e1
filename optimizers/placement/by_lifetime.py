"""The longest-lived first, each as low as it can lie."""

from gradlet.ir.memory_plan import Slot
from gradlet.optimizers.arena_problem import Problem


def _steps(slot: Slot) -> int:
    return slot.last - slot.first + 1


def place(problem: Problem) -> list[int]:
    return problem.place(problem.sorted_by(lambda k: (-_steps(problem.slots[k]), -problem.sizes[k])))

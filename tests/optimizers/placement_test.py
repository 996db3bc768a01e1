"""Placement: every algorithm makes plans that the checker accepts, and the best one is never above the others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradlet.ir.errors import CompileError
from gradlet.ir.memory_plan import Slot
from gradlet.ir.plugin import modules
from gradlet.optimizers.arena_problem import Problem, lowest, tightest
from gradlet.optimizers.passes.place_buffers import place
from gradlet.optimizers.placement import best, by_size, hill_climb
from gradlet.tests.small_models import TOOLS, apply, compiled, conv_net, mlp

ALGORITHMS = modules("gradlet.optimizers.placement")


def _slot(first: int, last: int, size: int) -> Slot:
    return Slot((), first, last, size)


def _is_valid(problem: Problem, offsets: list[int]) -> bool:
    """Independent of the way `Problem` looks for conflicts."""
    placed = [s.at(o) for s, o in zip(problem.slots, offsets, strict=True)]
    return all(o >= 0 for o in offsets) and not any(
        a.collides(b) for k, a in enumerate(placed) for b in placed[:k] if a.size and b.size
    )


def _algorithm(name: str):
    import importlib

    return importlib.import_module(f"gradlet.optimizers.placement.{name}").place


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("graph", [mlp(16, 16, 16, 4), conv_net()], ids=["mlp", "conv_net"])
def test_every_algorithm_makes_a_checked_plan(name, graph):
    planned = compiled(graph, "train", place_buffers={"algorithm": name}).graph
    assert planned.plan.algorithm == name
    assert planned.plan.lower_bound <= planned.plan.arena_bytes


slots = st.lists(
    st.tuples(st.integers(-1, 12), st.integers(0, 6), st.integers(0, 40)).map(lambda t: _slot(t[0], t[0] + t[1], t[2])),
    max_size=24,
)


@pytest.mark.parametrize("name", ALGORITHMS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(slots=slots, alignment=st.sampled_from([1, 4, 16]))
def test_random_instances(name, slots, alignment):
    problem = Problem(slots, alignment)
    offsets = _algorithm(name)(problem)
    assert _is_valid(problem, offsets)
    assert all(o % alignment == 0 for o in offsets)
    assert problem.height(offsets) >= problem.bound


@settings(max_examples=60, deadline=None, derandomize=True)
@given(slots=slots)
def test_best_is_never_above_another(slots):
    problem = Problem(slots, 4)
    assert problem.height(best.place(problem)) <= min(problem.height(_algorithm(n)(problem)) for n in ALGORITHMS)


def test_by_size_wastes_what_climbing_saves():
    """The large slot that lives late has to lie on top of a small one, not of a hole."""
    rng = np.random.default_rng(4)
    gains = []
    for _ in range(20):
        starts = rng.integers(0, 30, 40)
        problem = Problem([_slot(int(s), int(s + rng.integers(1, 8)), int(rng.integers(1, 64) * 4)) for s in starts], 4)
        gains.append(problem.height(by_size.place(problem)) - problem.height(best.place(problem)))
    assert min(gains) >= 0
    assert sum(g > 0 for g in gains) >= 10


def test_an_instance_whose_optimum_is_known():
    """Two long slots with a hole between them that a short one fits into exactly."""
    slots = [_slot(0, 9, 8), _slot(0, 3, 4), _slot(4, 9, 8), _slot(2, 6, 4), _slot(7, 9, 4)]
    problem = Problem(slots, 4)
    assert problem.bound == 20
    assert problem.height(best.place(problem)) == 20


def test_pinned_slots_stay():
    slots = [_slot(-1, 3, 8), _slot(0, 2, 8), _slot(1, 4, 8)]
    problem = Problem(slots, 4, {0: 16})
    for name in ALGORITHMS:
        offsets = _algorithm(name)(problem)
        assert offsets[0] == 16
        assert _is_valid(problem, offsets)


def test_where_a_slot_fits():
    taken = [(0, 4), (12, 16), (20, 24)]
    assert lowest(8, taken) == 4
    assert lowest(4, taken) == 4
    assert tightest(4, taken) == 16
    assert tightest(16, taken) == 24
    assert lowest(4, []) == tightest(4, []) == 0
    assert tightest(4, [(0, 12), (2, 4)]) == 12


def test_climbing_is_the_same_for_the_same_seed():
    rng = np.random.default_rng(1)
    slots = [_slot(int(s), int(s) + 4, int(rng.integers(1, 50))) for s in rng.integers(0, 20, 30)]
    problem = Problem(slots, 4)
    order = list(range(30))
    assert hill_climb.improve(problem, order, seed=3) == hill_climb.improve(problem, order, seed=3)


def test_an_unknown_algorithm_is_an_error():
    with pytest.raises(CompileError) as info:
        apply(mlp(6, 8, 3), "place_buffers{algorithm=magic}")
    assert info.value.code == "GL211"
    assert "best_fit" in info.value.hint


def test_alignment_of_the_target():
    graph = mlp(6, 7, 3)
    assert all(s.offset % 16 == 0 for s in place(graph, TOOLS.ops, alignment=16).slots)

"""Nests of loops visit the elements that numpy's strides do, with as few loops as can be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlet.backends.tinyengine.loops import broadcast_steps, loops, row_major

SHAPES = st.lists(st.integers(1, 4), max_size=5).map(tuple)


def visited(axes: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """The elements of both operands, in the order of the loops."""
    count, *rest = axes
    nest = np.array(rest).reshape(count, 3)
    indices = np.stack([i.reshape(-1) for i in np.indices(nest[:, 0])])
    return list(nest[:, 1] @ indices), list(nest[:, 2] @ indices)


@given(SHAPES, st.data())
def test_broadcast_operands_are_visited_as_numpy_repeats_them(shape: tuple[int, ...], data: st.DataObject):
    kept = data.draw(st.lists(st.booleans(), min_size=len(shape), max_size=len(shape)))
    small = tuple(n if keep else 1 for n, keep in zip(shape, kept, strict=True))
    a, b = visited(loops(shape, broadcast_steps(shape, shape), broadcast_steps(small, shape)))
    elements = np.arange(np.prod(small, dtype=int)).reshape(small)
    assert a == list(range(len(a)))
    assert b == np.broadcast_to(elements, shape).reshape(-1).tolist()


@given(SHAPES, st.randoms())
def test_permuted_operand_is_visited_as_numpy_transposes_it(shape: tuple[int, ...], random):
    permutation = random.sample(range(len(shape)), len(shape))
    steps = row_major(shape)
    a, _ = visited(loops([shape[k] for k in permutation], [steps[k] for k in permutation]))
    assert a == np.arange(len(a)).reshape(shape).transpose(permutation).reshape(-1).tolist()


@pytest.mark.parametrize(
    ("shape", "operand", "count"),
    [((4, 5, 6), (4, 5, 6), 1), ((4, 5, 6), (), 1), ((4, 5, 6), (6,), 2), ((2, 4, 5, 3), (2, 1, 1, 3), 3), ((), (), 1)],
)
def test_neighbours_are_merged(shape: tuple[int, ...], operand: tuple[int, ...], count: int):
    assert loops(shape, broadcast_steps(shape, shape), broadcast_steps(operand, shape))[0] == count

"""Orders channels so that the chosen ones of several layers lie side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, permutations

import numpy as np

# As many kinds of channels are tried in every order: three layers can make seven.
_ALL_ORDERS = 7
# Which of the layers have chosen a channel.
_Kind = tuple[bool, ...]


def runs_of(chosen: np.ndarray) -> list[tuple[int, int]]:
    """The runs [begin, end) of marks."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]])))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


def order_for(choices: Sequence[np.ndarray]) -> list[int]:
    """An order of channels in which the choices have the fewest runs, and then are cut into the fewest pieces.

    Two choices are one run each, of three at most one is two. Channels that nobody has chosen come last; the order is
    kept among channels that the same choices contain.

    Args:
        choices: One mark a channel, for each layer that reads the channels.
    """
    kinds: dict[_Kind, list[int]] = {}
    for channel, kind in enumerate(zip(*(c.tolist() for c in choices), strict=True)):
        kinds.setdefault(kind, []).append(channel)
    rest = kinds.pop((False,) * len(choices), [])
    best = min(_candidates(list(kinds)), key=_cost)
    return [channel for kind in best for channel in kinds[kind]] + rest


def _cost(kinds: Sequence[_Kind]) -> tuple[int, int, int]:
    """Runs of chosen channels and pieces in which channels lie, of all layers; then the pieces of the worst layer."""
    runs, pieces = zip(*(_runs_and_pieces([kind[k] for kind in kinds]) for k in range(len(kinds[0]))), strict=True)
    return sum(runs), sum(pieces), max(pieces)


def _runs_and_pieces(marks: Sequence[bool]) -> tuple[int, int]:
    """Of channels of which others that nobody has chosen follow."""
    edges = [(a, b) for a, b in pairwise([*marks, False]) if a != b]
    return marks[0] + sum(b for _, b in edges), 1 + len(edges)


def _candidates(kinds: list[_Kind]) -> Iterator[Sequence[_Kind]]:
    if len(kinds) <= _ALL_ORDERS:
        yield from permutations(kinds)
    else:
        yield from (_chain(kinds, first) for first in kinds)


def _chain(kinds: Sequence[_Kind], first: _Kind) -> list[_Kind]:
    """Every kind is followed by the one that differs least of those that are left."""
    chain, left = [first], [k for k in kinds if k != first]
    while left:
        chain.append(min(left, key=lambda k: sum(a != b for a, b in zip(k, chain[-1], strict=True))))
        left.remove(chain[-1])
    return chain

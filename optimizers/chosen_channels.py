"""Makes the input channels that learn neighbours, in all layers that share them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from gradlet.ir.graph import Graph, Region
from gradlet.ir.passes import Context
from gradlet.optimizers.channel_order import Channels, channels_of
from gradlet.optimizers.channel_runs import order_for, runs_of
from gradlet.optimizers.layers import Layer
from gradlet.optimizers.linear_ops import MOST_PARTS
from gradlet.optimizers.weight_parts import can_be_divided, divide


@dataclass(frozen=True, eq=False)
class Choice:
    """A layer of which some input channels learn.

    Attributes:
        scores: One number for each of its input channels.
        chosen: Marks those that learn.
    """

    layer: Layer
    scores: np.ndarray
    chosen: np.ndarray

    @classmethod
    def of(cls, layer: Layer, scores: np.ndarray, count: int) -> Choice:
        """The channels with the highest scores, the first of equal ones."""
        chosen = np.zeros(len(scores), bool)
        chosen[np.argsort(-scores, kind="stable")[:count]] = True
        return cls(layer, scores, chosen)

    def reordered(self, order: Sequence[int]) -> Choice:
        return Choice(self.layer, self.scores[order], self.chosen[order])

    @property
    def count(self) -> int:
        return int(self.chosen.sum())

    @property
    def runs(self) -> list[tuple[int, int]]:
        return runs_of(self.chosen)


def gather(graph: Graph, context: Context, choices: Iterable[Choice]) -> None:
    """Puts channels in an order in which the chosen ones lie side by side, and marks what learns of each weight.

    Where the choices of three layers that share their channels cannot all be neighbours, the weight of one is divided
    into states; where that cannot be either, or the order is fixed, the best neighbours learn, and a note says so.
    """
    placed = [_ordered(channels, sharing) for channels, sharing in _by_channels(graph, list(choices))]
    for choice in chain.from_iterable(placed):  # weights are divided when all of their axes are in order
        _mark(graph, context, choice)


def _ordered(channels: Channels | None, sharing: list[Choice]) -> list[Choice]:
    if channels is None or all(len(c.runs) == 1 for c in sharing):
        return sharing
    order = order_for([c.chosen for c in sharing])
    channels.reorder(order)
    return [c.reordered(order) for c in sharing]


def _by_channels(graph: Graph, choices: Sequence[Choice]) -> list[tuple[Channels | None, list[Choice]]]:
    """The choices in groups that read the same channels; None: their order is fixed."""
    groups: list[tuple[Channels | None, list[Choice]]] = []
    for choice in choices:
        x = choice.layer.node.inputs[0]
        same = next((sharing for channels, sharing in groups if channels and x in channels.values), None)
        if same is None:
            groups.append((channels_of(graph, x), [choice]))
        else:
            same.append(choice)
    return groups


def _mark(graph: Graph, context: Context, choice: Choice) -> None:
    weight, axis, runs = choice.layer.weight, choice.layer.axes.inp, choice.runs
    most = MOST_PARTS.get(choice.layer.node.op, 1)
    if 1 < len(runs) <= most and can_be_divided(graph, weight):
        divide(graph, weight, axis, choice.chosen, [end for _, end in runs[:-1]])
        return
    begin = runs[0][0] if len(runs) == 1 else _best_window(context, choice)
    weight.region = Region(axis, begin, begin + choice.count)


def _best_window(context: Context, choice: Choice) -> int:
    """The first of the neighbours with the highest scores."""
    begin = int(np.argmax(np.convolve(choice.scores, np.ones(choice.count), "valid")))
    got = int(choice.chosen[begin : begin + choice.count].sum())
    context.notes.append(
        f"{choice.layer.name}: channels {begin} to {begin + choice.count - 1} learn, {got} of the {choice.count} that "
        "were asked for: they cannot all be neighbours"
    )
    return begin

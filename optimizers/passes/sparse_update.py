"""Decides what learns: layers, biases, and parts of weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import ClassVar

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Phase, Region, Value
from gradlet.ir.options import Call
from gradlet.ir.passes import Context
from gradlet.optimizers.channel_order import channels_of
from gradlet.optimizers.layers import Layer, find_layers
from gradlet.optimizers.schemes import FULL, Scheme, Update, find_scheme

_FULL = Call(FULL)
_HEAD = Update(weight=1.0, bias=True)
_FROZEN = Update()


@dataclass(frozen=True)
class SparseUpdate:
    """Marks what learns. Channels that learn are made neighbours by permuting them at compile time, if possible.

    Attributes:
        scheme: Name, or path of a .yaml or .textproto file, with options; `full` leaves the model as it is.
    """

    name: ClassVar[str] = "sparse_update"
    scheme: Call = _FULL

    def run(self, graph: Graph, context: Context) -> bool:
        if any(n.phase is not Phase.FORWARD for n in graph.nodes):
            hint = "put sparse_update before differentiate"
            raise CompileError("GL214", "sparse_update comes after the backward pass is made", hint=hint)
        scheme = find_scheme(self.scheme)
        if scheme is None:
            return False
        before = _marks(graph)
        layers, head = find_layers(graph)
        settings = settings_of(scheme, layers)
        for state in graph.states:
            state.trainable, state.region = False, None
        taken: set[Value] = set()
        draw = np.random.default_rng(scheme.seed)
        for layer in [*layers, *([head] if head else [])]:
            setting = (_HEAD if scheme.head else _FROZEN) if layer is head else settings[layer]
            _mark(graph, context, layer, setting, draw, taken)
        if not any(s.trainable for s in graph.states):
            hint = "name a layer, or let the head learn"
            raise CompileError("GL202", f"scheme {self.scheme} lets nothing learn", hint=hint)
        return _marks(graph) != before


def _marks(graph: Graph) -> list[tuple[bool, Region | None, int]]:
    return [(s.trainable, s.region, id(s.init)) for s in graph.states]


def settings_of(scheme: Scheme, layers: list[Layer]) -> Mapping[Layer, Update]:
    """What learns of each layer; raises GL222 for an update that is about no layer."""
    settings = dict.fromkeys(layers, _FROZEN)
    for update in scheme.updates:
        settings |= dict.fromkeys(_selected(update, layers), update)
    return settings


def _selected(update: Update, layers: list[Layer]) -> list[Layer]:
    wrong = [k for k in update.layers if not -len(layers) <= k < len(layers)]
    if wrong:
        what = f"there is no layer {wrong[0]}: the model has {len(layers)} before its head"
        shown = ", ".join(f"{k} {layer.name}" for k, layer in enumerate(layers))
        raise CompileError("GL222", what, hint=f"layers: {shown}")
    if update.layers:
        return [layers[k] for k in update.layers]
    if update.last:
        return layers[-update.last :]
    if not update.pattern:
        return layers
    found = [e for e in layers if any(fnmatchcase(name, update.pattern) for name in (e.name, e.weight.name))]
    if not found:
        names = [e.name for e in layers]
        near = get_close_matches(update.pattern.replace("*", ""), names, 3, 0.3) or names
        hint = f"layers are called {', '.join(near)}"
        raise CompileError("GL222", f"no layer before the head matches {update.pattern!r}", hint=hint)
    return found


def _mark(
    graph: Graph, context: Context, layer: Layer, setting: Update, draw: np.random.Generator, taken: set[Value]
) -> None:
    for state in layer.biases:
        state.trainable = setting.bias
    for state in (layer.weight, *layer.scales):
        state.trainable = setting.weight > 0
    axis = layer.axes.inp
    channels = layer.weight.value.type.shape[axis]
    count = max(1, int(channels * setting.weight))
    if layer.weight.trainable and count < channels:
        scores = _scores(layer, axis, setting.criterion, draw)
        begin = _gather(graph, context, layer, scores, count, taken)
        layer.weight.region = Region(axis, begin, begin + count)


def _scores(layer: Layer, axis: int, criterion: str, draw: np.random.Generator) -> np.ndarray:
    """One number for each input channel: the highest learn."""
    weight = layer.weight.init.astype(np.float64)
    if criterion == "random":
        scores: np.ndarray = draw.permutation(weight.shape[axis]).astype(np.float64)
        return scores
    power: np.ndarray = np.square(weight).sum(axis=tuple(a for a in range(weight.ndim) if a != axis))
    return -power if criterion == "magnitude-" else power


def _gather(graph: Graph, context: Context, layer: Layer, scores: np.ndarray, count: int, taken: set[Value]) -> int:
    """Makes the best channels neighbours, or takes the best neighbours; returns the first."""
    best = np.sort(np.argsort(-scores, kind="stable")[:count])
    if best[-1] - best[0] == count - 1:
        return int(best[0])
    x = layer.node.inputs[0]
    found = channels_of(graph, x) if x not in taken else None
    if found and not taken.intersection(found.values):
        taken.update(found.values)
        rest = np.setdiff1d(np.arange(len(scores)), best)
        found.reorder([int(k) for k in (*best, *rest)])
        return 0
    sums = np.convolve(scores, np.ones(count), "valid")
    begin = int(np.argmax(sums))
    got = len(np.intersect1d(best, np.arange(begin, begin + count)))
    context.notes.append(
        f"{layer.name}: channels {begin} to {begin + count - 1} learn, {got} of the {count} that were asked for: "
        "the order of its input channels cannot be changed"
    )
    return begin


PASS = SparseUpdate

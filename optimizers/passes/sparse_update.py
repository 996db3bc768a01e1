"""Decides what learns: layers, biases, and parts of weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import ClassVar

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Phase, Region
from gradlet.ir.options import Call
from gradlet.ir.passes import Context
from gradlet.optimizers.chosen_channels import Choice, gather
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
        scheme = find_scheme(self.scheme, graph.name)
        if scheme is None:
            return False
        before = _marks(graph)
        layers, head = find_layers(graph)
        if any(len(layer.parts) > 1 for layer in layers):
            raise CompileError("GL214", "sparse_update comes after split_weights", hint="put it before")
        settings = settings_of(scheme, layers)
        for state in graph.states:
            state.trainable, state.region = False, None
        if head:
            _mark(head, _HEAD if scheme.head else _FROZEN)
        for layer in layers:
            _mark(layer, settings[layer])
        gather(graph, context, _choices(layers, settings, np.random.default_rng(scheme.seed)))
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


def _mark(layer: Layer, setting: Update) -> None:
    for state in layer.biases:
        state.trainable = setting.bias
    for state in (layer.weight, *layer.scales):
        state.trainable = setting.weight > 0


def _choices(layers: Sequence[Layer], settings: Mapping[Layer, Update], draw: np.random.Generator) -> Iterator[Choice]:
    """The layers of which a part of the weight learns."""
    for layer in layers:
        axis, setting = layer.axes.inp, settings[layer]
        channels = layer.weight.value.type.shape[axis]
        count = max(1, int(channels * setting.weight))
        if layer.weight.trainable and count < channels:
            yield Choice.of(layer, _scores(layer, axis, setting.criterion, draw), count)


def _scores(layer: Layer, axis: int, criterion: str, draw: np.random.Generator) -> np.ndarray:
    """One number for each input channel: the highest learn."""
    weight = layer.weight.init.astype(np.float64)
    if criterion == "random":
        scores: np.ndarray = draw.permutation(weight.shape[axis]).astype(np.float64)
        return scores
    power: np.ndarray = np.square(weight).sum(axis=tuple(a for a in range(weight.ndim) if a != axis))
    return -power if criterion == "magnitude-" else power


PASS = SparseUpdate

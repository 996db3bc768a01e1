"""How far an int8 graph is from the float graph it was made of, tensor by tensor."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradlet.ir.graph import Graph, Node, Value
from gradlet.ir.op_def import OpSet
from gradlet.optimizers.quantization.calibration import Feed, run
from gradlet.optimizers.quantization.plan import Plan
from gradlet.optimizers.quantization.scales import Quantization


@dataclass(frozen=True)
class TensorReport:
    """One tensor on int8.

    Attributes:
        place: In the user's model.
        op: What made it, in the float graph.
        snr_db: 10 log10 of the float tensor's mean square over that of the difference, which has the errors of all
            layers before in it; None where nothing differs.
    """

    place: str
    op: str
    scale: float
    zero_point: int
    snr_db: float | None


@dataclass(frozen=True)
class QuantizationReport:
    """What quantisation did.

    Attributes:
        method: The options, as text.
        samples: That were calibrated with.
        compared: Of them, those that the ratios are about.
        tensors: In the order of the graph.
        outputs: Name -> signal-to-noise ratio of an output of the model.
        in_float: (op, place, why) of what stayed in float32.
        accuracy: Share of labelled samples that the float model and the int8 model classify rightly.
    """

    method: str
    samples: int
    compared: int
    tensors: Sequence[TensorReport]
    outputs: Mapping[str, float | None]
    in_float: Sequence[tuple[str, str, str]]
    accuracy: Mapping[str, float] | None = None


@dataclass
class _Noise:
    """Sums of squares."""

    signal: float = 0.0
    noise: float = 0.0

    def add(self, exact: np.ndarray, found: np.ndarray) -> None:
        self.signal += float(np.square(exact, dtype=np.float64).sum())
        self.noise += float(np.square(exact.astype(np.float64) - found).sum())

    @property
    def db(self) -> float | None:
        if not self.noise:
            return None
        return 10 * math.log10(self.signal / self.noise) if self.signal else -math.inf


def compare(
    graph: Graph, int8: Graph, ops: OpSet, feeds: Sequence[Feed], pairs: Mapping[Value, tuple[Value, Quantization]]
) -> tuple[dict[Value, float | None], dict[str, float | None]]:
    """Signal-to-noise ratios in dB of tensors and of the outputs.

    Args:
        graph: The float graph.
        feeds: Of the float graph; where an input of the int8 graph is int8, they are quantised here.
        pairs: Value of the float graph -> that of the int8 graph, and its scale.
    """
    tensors = {value: _Noise() for value in pairs}
    outputs = {value.name: _Noise() for value in graph.outputs}
    made_of = {new: value for value, (new, _) in pairs.items()}
    for feed in feeds:
        exact: dict[Value, np.ndarray] = {}
        expected = run(graph, ops, feed, lambda v, a, e=exact: _keep(v, a, pairs, e))  # type: ignore[misc]

        def observe(new: Value, stored: np.ndarray, exact: dict[Value, np.ndarray] = exact) -> None:
            if new in made_of:
                value = made_of[new]
                tensors[value].add(exact.pop(value), pairs[value][1].real(stored))

        found = run(int8, ops, quantized_feed(int8, feed), observe)
        for old, new in zip(graph.outputs, int8.outputs, strict=True):
            outputs[old.name].add(expected[old.name], found[new.name])
    return {v: n.db for v, n in tensors.items()}, {name: n.db for name, n in outputs.items()}


def _keep(value: Value, array: np.ndarray, wanted: Collection[Value], kept: dict[Value, np.ndarray]) -> None:
    if value in wanted:
        kept[value] = array


def quantized_feed(graph: Graph, feed: Feed) -> dict[str, np.ndarray]:
    """Real numbers as the inputs of a graph store them."""
    found = dict(feed)
    for value in graph.inputs:
        if value.type.quant:
            quant, bits = value.type.quant, value.type.dtype.bits
            quantization = Quantization(quant.scale[0], quant.zero_point[0], bits)
            found[value.name] = quantization.stored(np.asarray(feed[value.name], np.float32))
    return found


def in_float(plan: Plan, nodes: Sequence[Node]) -> list[tuple[str, str, str]]:
    """(op, place, why) of the nodes that stayed in float32; constants are no matter."""
    return [(node.op, node.loc, plan.reasons[node]) for node in nodes if node in plan.reasons and node.inputs]

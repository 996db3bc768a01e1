"""Runs a float graph over samples, and measures the activations that are to become int8."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Node, Value, storage
from gradlet.ir.op_def import OpSet
from gradlet.optimizers.quantization.statistics import Statistics

# The arrays of one batch, by the name of the input.
Feed = Mapping[str, np.ndarray]
Observer = Callable[[Value, np.ndarray], None]


def run(graph: Graph, ops: OpSet, feed: Feed, observe: Observer = lambda value, array: None) -> dict[str, np.ndarray]:
    """One forward pass in numpy, each array dropped after its last use; returns the outputs by name.

    Args:
        observe: Told every input and every result.
    """
    arrays = {state.value: state.init for state in graph.states}
    for value in graph.inputs:
        arrays[value] = np.asarray(feed[value.name], value.type.dtype.numpy)
        observe(value, arrays[value])
    dying = last_uses(graph)
    for node in graph.nodes:
        with np.errstate(all="ignore"):
            results = ops[node.op].evaluate([arrays[storage(v)] for v in node.inputs], node.attrs)
        for value, result in zip(node.outputs, results, strict=True):
            arrays[storage(value)] = np.asarray(result).astype(value.type.dtype.numpy, copy=False)
            observe(value, arrays[storage(value)])
        for value in dying.get(node, ()):
            arrays.pop(value, None)
    return {v.name: arrays[storage(v)] for v in graph.outputs}


def last_uses(graph: Graph) -> dict[Node, list[Value]]:
    """Node -> values that nothing reads after it."""
    kept = {storage(v) for v in graph.outputs} | {s.value for s in graph.states}
    last = {storage(v): node for node in graph.nodes for v in (*node.inputs, *node.outputs)}
    dying: dict[Node, list[Value]] = {}
    for value, node in last.items():
        if value not in kept:
            dying.setdefault(node, []).append(value)
    return dying


def calibrate(graph: Graph, ops: OpSet, feeds: Sequence[Feed], wanted: Collection[Value]) -> dict[Value, Statistics]:
    """Statistics of the wanted tensors over all batches; those of states are of their content.

    Raises:
        CompileError: GL240 for NaN or infinity, with the place where it first appears.
    """
    assert feeds, "nothing to calibrate with"
    found = {value: Statistics() for value in wanted}

    def observe(value: Value, array: np.ndarray) -> None:
        is_number = np.isfinite if value in found else lambda a: ~np.isnan(a)  # masks hold infinity rightly
        if array.dtype.kind == "f" and not is_number(array).all():
            raise _not_finite(value, array)
        if value in found:
            found[value].add(array)

    for state in graph.states:
        observe(state.value, state.init)
    for feed in feeds:
        run(graph, ops, feed, observe)
    return found


def _not_finite(value: Value, array: np.ndarray) -> CompileError:
    what = "NaN" if np.isnan(array).any() else "infinity"
    if value.producer is None:
        hint = "remove it from the samples, or from the model's weights"
        return CompileError("GL240", f"{what} in {value}, before anything is computed", hint=hint)
    place = value.producer.loc or str(value)
    hint = "calibrate with samples as the model is used with, normalised alike"
    return CompileError("GL240", f"{value.producer.op} makes {what} of the calibration samples", place, hint)

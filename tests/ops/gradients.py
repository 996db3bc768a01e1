"""Graphs that hold the gradient of one op, on its examples."""

from __future__ import annotations

import numpy as np

from gradlet.autodiff.reverse import differentiate
from gradlet.backends.reference.executor import Executor
from gradlet.ir.graph import Graph
from gradlet.ir.tensor_type import DType, f32
from gradlet.ir.verifier import verify
from gradlet.tests.ops.cases import CASES, TOOLBOX, Case, add_case, doubled

# Ops whose other outputs nothing may differentiate, by rule.
ONE_DIFFERENTIABLE_OUTPUT = {"batch_norm_train", "dropout"}

# Ops that round, with a gradient as if they did not: torch_test.py has their witness.
STRAIGHT_THROUGH = {"fake_quantize"}

DIFFERENTIABLE = [c for c in CASES if c.op.gradient and c.example.differentiable]


def differentiated(case: Case, output: int) -> tuple[Graph, dict[int, str]]:
    """Output `output`, its gradients for a seed `r`: (graph, input index -> name of its gradient)."""
    graph = Graph("gradient")
    inputs, outputs = add_case(graph, case, prefix="x")
    seed = graph.add_input("r", f32(*outputs[output].type.shape))
    wanted = {i: inputs[i] for i in case.example.differentiable}
    found = differentiate(graph, TOOLBOX.ops, outputs[output], seed, list(wanted.values()))
    graph.outputs = list(dict.fromkeys([outputs[output], *found.values()]))
    verify(graph, TOOLBOX.ops)
    return graph, {i: found[v].name for i, v in wanted.items()}


def run(graph: Graph, arguments: list[np.ndarray], seed: np.ndarray) -> dict[str, np.ndarray]:
    named = {f"x{i}": a for i, a in enumerate(arguments)}
    states = {s.name: named[s.name] for s in graph.states}
    executor = Executor(graph, TOOLBOX.ops, states, surrogate=True)
    return executor.run({"r": seed, **{v.name: named[v.name] for v in graph.inputs if v.name in named}})


def outputs_of(case: Case) -> range:
    """The outputs that something may differentiate."""
    outputs = case.op.infer(case.example.types, case.example.attrs)
    masks = sum(t.dtype is DType.B1 for t in outputs)
    return range(1 if case.op.name in ONE_DIFFERENTIABLE_OUTPUT else len(outputs) - masks)


def smooth(case: Case) -> list[np.ndarray]:
    """The arguments in double precision, quantised ones too: ops compute them without rounding then."""
    arrays = zip(case.example.types, doubled(case.arguments()), strict=True)
    return [a.astype(np.float64) if t.quant else a for t, a in arrays]

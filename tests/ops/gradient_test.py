"""The gradient rule of every op against finite differences."""

import numpy as np
import pytest

from gradlet.autodiff.reverse import differentiate
from gradlet.backends.reference.executor import Executor
from gradlet.ir.graph import Graph
from gradlet.ir.verifier import verify
from gradlet.tests.ops.cases import CASES, TOOLBOX, Case, add_case, doubled

# Ops whose other outputs nothing may differentiate, by rule.
ONE_DIFFERENTIABLE_OUTPUT = {"batch_norm_train", "dropout"}
STEP = 1e-5

DIFFERENTIABLE = [c for c in CASES if c.op.gradient and c.example.differentiable]


def differentiated(case: Case, output: int) -> tuple[Graph, dict[int, str]]:
    """Output `output`, its gradients for a seed `r`: (graph, input index -> name of its gradient)."""
    graph = Graph("gradient")
    inputs, outputs = add_case(graph, case, prefix="x")
    seed = graph.add_input("r", outputs[output].type)
    wanted = {i: inputs[i] for i in case.example.differentiable}
    found = differentiate(graph, TOOLBOX.ops, outputs[output], seed, list(wanted.values()))
    graph.outputs = list(dict.fromkeys([outputs[output], *found.values()]))
    verify(graph, TOOLBOX.ops)
    return graph, {i: found[v].name for i, v in wanted.items()}


def run(graph: Graph, arguments: list[np.ndarray], seed: np.ndarray) -> dict[str, np.ndarray]:
    named = {f"x{i}": a for i, a in enumerate(arguments)}
    states = {s.name: named[s.name] for s in graph.states}
    executor = Executor(graph, TOOLBOX.ops, states, float64=True)
    return executor.run({"r": seed, **{v.name: named[v.name] for v in graph.inputs if v.name in named}})


def outputs_of(case: Case) -> range:
    return range(1 if case.op.name in ONE_DIFFERENTIABLE_OUTPUT else len(case.op.infer(*_signature(case))))


def _signature(case: Case):
    return case.example.types, case.example.attrs


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=str)
def test_gradient_is_the_slope(case: Case):
    rng = np.random.default_rng(1)
    arguments = doubled(case.arguments())
    for output in outputs_of(case):
        graph, gradients = differentiated(case, output)
        shape = case.op.infer(*_signature(case))[output].shape
        seed = rng.normal(size=shape)

        def value(index: int, moved: np.ndarray, output: int = output, seed: np.ndarray = seed) -> float:
            changed = [moved if i == index else a for i, a in enumerate(arguments)]
            return float(np.sum(seed * case.op.evaluate(changed, case.example.attrs)[output]))

        results = run(graph, arguments, seed)
        for index, name in gradients.items():
            assert results[name].shape == arguments[index].shape
            for _ in range(3):
                direction = rng.normal(size=arguments[index].shape)
                ahead, behind = (value(index, arguments[index] + s * STEP * direction) for s in (1, -1))
                slope, scale = np.sum(results[name] * direction), np.sum(np.abs(results[name] * direction))
                assert abs(slope - (ahead - behind) / (2 * STEP)) <= 1e-6 * scale + 1e-8, f"input {index}"

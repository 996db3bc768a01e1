"""The gradient rule of every op against finite differences."""

import numpy as np
import pytest

from gradlet.tests.ops.cases import Case
from gradlet.tests.ops.gradients import DIFFERENTIABLE, STRAIGHT_THROUGH, differentiated, outputs_of, run, smooth

STEP = 1e-5
# Of int16, which reach 32767: the differences of a smaller one drown in the rounding of float64.
INT16_STEP = 1e-2


@pytest.mark.parametrize("case", [c for c in DIFFERENTIABLE if c.op.name not in STRAIGHT_THROUGH], ids=str)
def test_gradient_is_the_slope(case: Case):
    rng = np.random.default_rng(1)
    arguments = smooth(case)
    for output in outputs_of(case):
        graph, gradients = differentiated(case, output)
        shape = case.op.infer(case.example.types, case.example.attrs)[output].shape
        seed = rng.normal(size=shape)

        def value(index: int, moved: np.ndarray, output: int = output, seed: np.ndarray = seed) -> float:
            changed = [moved if i == index else a for i, a in enumerate(arguments)]
            return float(np.sum(seed * case.op.evaluate(changed, case.example.attrs)[output]))

        results = run(graph, arguments, seed)
        for index, name in gradients.items():
            assert results[name].shape == arguments[index].shape
            for _ in range(3):
                direction = rng.normal(size=arguments[index].shape)
                step = INT16_STEP if case.example.attrs.get("bits") == 16 else STEP
                ahead, behind = (value(index, arguments[index] + s * step * direction) for s in (1, -1))
                slope, scale = np.sum(results[name] * direction), np.sum(np.abs(results[name] * direction))
                assert abs(slope - (ahead - behind) / (2 * step)) <= 1e-6 * scale + 1e-8, f"input {index}"

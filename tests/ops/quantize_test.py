"""The straight-through gradient of quantize, whose slope no small difference shows."""

import numpy as np

from gradlet.autodiff.reverse import differentiate
from gradlet.backends.reference.executor import Executor
from gradlet.ir.graph import Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.tensor_type import f32
from gradlet.ir.verifier import verify
from gradlet.tests.ops.cases import TOOLBOX

SCALE, ZERO = 0.04, -20


def test_gradient_of_quantize_is_its_mean_slope_and_stops_at_the_clamp():
    graph = Graph("quantize")
    x, seed = graph.add_input("x", f32(300)), graph.add_input("seed", f32(300))
    y = Emit(TOOLBOX.ops, graph)("quantize", x, scale=SCALE, zero_point=ZERO)
    graph.outputs = [y, differentiate(graph, TOOLBOX.ops, y, seed, [x])[x]]
    verify(graph, TOOLBOX.ops)
    rng = np.random.default_rng(0)
    values, seeds = rng.uniform(-8, 8, 300).astype(np.float32), rng.normal(size=300).astype(np.float32)
    executor = Executor(graph, TOOLBOX.ops)

    def run(moved: np.ndarray) -> list[np.ndarray]:
        return list(executor.run({"x": moved.astype(np.float32), "seed": seeds}).values())

    quantized, gradient = run(values)
    steps = 16  # whole steps of the grid, where rounding cancels
    slope = (run(values + steps * SCALE)[0].astype(int) - run(values - steps * SCALE)[0]) / (2 * steps * SCALE)
    far = np.abs(quantized.astype(int)) < 127 - steps
    assert far.sum() > 100
    np.testing.assert_allclose(gradient[far], (seeds * slope)[far], rtol=1e-5)
    outside = np.abs(values / SCALE + ZERO + 0.5) > 128.1
    assert outside.any()
    assert not gradient[outside].any()

"""Learned rounding and corrected biases in whole networks: outputs come closer to those of the float network."""

from typing import Any

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
from gradlet.ir.options import Call, parse_calls
from gradlet.optimizers.quantization.calibration import run
from gradlet.tests.optimizers.quantization.small_graphs import TOOLS, Builder, Made, quantised, residual_net

ADAROUND = parse_calls("adaround{steps=300}")[0]


def smooth(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Images whose pixels resemble their neighbours', none around zero."""
    noise = rng.normal(size=shape).cumsum(axis=1).cumsum(axis=2)
    return (noise / np.abs(noise).max() + 0.7).astype(np.float32)


def made(**options: Any) -> Made:
    """The residual network, each layer's weights in one scale."""
    b, y = residual_net()
    rng = np.random.default_rng(1)
    return quantised(b, [y], feeds=[{"x": smooth(rng, 2, 8, 8, 3)} for _ in range(32)], weights="per_tensor", **options)


def outputs(made: Made, seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """(float, int8) of samples that were not seen."""
    rng = np.random.default_rng(seed)
    feeds = [{"x": smooth(rng, 2, 8, 8, 3)} for _ in range(32)]
    graphs = made.exact, made.program.graph
    exact, found = (np.concatenate([run(g, TOOLS.ops, feed)["y"] for feed in feeds]) for g in graphs)
    return exact, found


def error(made: Made) -> float:
    exact, found = outputs(made)
    return float(np.square(found - exact).mean())


def test_outputs_come_closer():
    nearest = error(made())
    assert error(made(rounding=ADAROUND)) < 0.7 * nearest
    assert error(made(rounding=ADAROUND, correct_bias=True)) < 0.7 * nearest


def test_means_of_outputs_are_right_with_corrected_biases():
    before, after = (np.abs(np.subtract(*outputs(made(correct_bias=on))).mean(axis=0)).max() for on in (False, True))
    assert after < 0.4 * before


def test_a_layer_without_bias_gets_one():
    b = Builder()
    y = b.conv(b.input(2, 6, 6, 3), 4, bias=False)
    found = quantised(b, [y], correct_bias=True, weights="per_tensor")
    biases = [s for s in found.program.graph.states if s.name.endswith("bias")]
    assert len(biases) == 1
    assert biases[0].init.any()
    assert not biases[0].trainable


@pytest.mark.parametrize("options", [{"rounding": ADAROUND}, {"correct_bias": True}])
def test_all_that_is_no_layer_is_left_alone(options: dict[str, Any]):
    plain, refined = made().program.graph, made(**options).program.graph
    assert [str(n) for n in plain.nodes] == [str(n) for n in refined.nodes]
    for before, after in zip(plain.states, refined.states, strict=True):
        assert (before.name, before.value.type, before.source) == (after.name, after.value.type, after.source)
        if before.name.endswith("weight"):
            assert np.abs(after.init.astype(int) - before.init).max() <= ("rounding" in options)


def test_a_rounding_that_does_not_exist():
    with pytest.raises(CompileError, match="rounding=up"):
        made(rounding=Call("up"))

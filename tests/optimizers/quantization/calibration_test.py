"""What calibration remembers is what the samples show; ranges and scales follow from it."""

import weakref

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
from gradlet.ir.options import Call, build, to_call
from gradlet.optimizers.quantization.calibration import calibrate, run
from gradlet.optimizers.quantization.options import QuantizeOptions
from gradlet.optimizers.quantization.scales import of_range, weight_scales
from gradlet.optimizers.quantization.statistics import BINS, Statistics
from gradlet.tests.optimizers.quantization.small_graphs import TOOLS, Builder, quantised


def test_histograms_count_every_number_where_it_lies():
    statistics, rng = Statistics(), np.random.default_rng(0)
    batches = [np.zeros(5, np.float32)]
    batches += [(rng.normal(size=500) * 3.0**k).astype(np.float32) for k in (0, 2, 1, 5, -3)]
    for batch in batches:
        statistics.add(batch)
    together = np.concatenate(batches).astype(np.float64)
    np.testing.assert_array_equal(np.histogram(together, statistics.edges)[0], statistics.counts)
    assert (statistics.low, statistics.high) == (together.min(), together.max())
    largest = np.abs(together).max()
    assert largest <= BINS / 2 * statistics.width <= 2 * largest, "no more than half of the bins are idle"


def test_the_range_decides_scale_and_zero_point():
    for low, high, symmetric in [(-1, 3, False), (0, 0.1, False), (-2, 0, False), (-1, 3, True), (-1e-6, 5e4, False)]:
        found = of_range((low, high), symmetric)
        ends = found.interval
        assert ends[0] <= low + found.scale and ends[1] >= high - found.scale
        assert found.real(found.stored(np.zeros(1, np.float32))) == 0, "0 is exact"
        x = np.linspace(low, high, 1001, dtype=np.float32)
        error = np.abs(found.real(found.stored(x)) - x)
        inside = (x >= ends[0]) & (x <= ends[1])
        assert error[inside].max() <= 0.5001 * found.scale and error.max() <= 1.001 * found.scale
        assert (found.zero_point == 0) or not symmetric


def test_biases_fit_into_int32():
    weight = np.array([[1e-12, 1e-12], [0.5, -2.0]], np.float32)
    bias = np.array([3.0, 0.1], np.float32)
    scales = weight_scales(weight, 0, bias, 1e-6, per_tensor=False)
    assert np.abs(bias / (1e-6 * scales)).max() < 2**31
    assert scales[1] == 2 / 127, "a channel that needs nothing else has the scale of its weights"


def test_the_options_read_back():
    text = "int8{ranges=percentile{percentile=99.9},weights=per_tensor,activations=symmetric,correct_bias=true}"
    options = QuantizeOptions(
        ranges=Call("percentile", (("percentile", "99.9"),)),
        weights="per_tensor",
        activations="symmetric",
        correct_bias=True,
    )
    assert str(to_call("int8", options)) == text
    with pytest.raises(CompileError, match="per_channel or per_tensor"):
        QuantizeOptions(weights="both")


def test_unknown_options_are_named():
    with pytest.raises(CompileError, match="did you mean weights"):
        build(QuantizeOptions, Call("int8", (("weight", "per_tensor"),)))


def test_activations_are_dropped_after_their_last_use():
    b, x = Builder(), None
    for _ in range(6):
        x = b("neg", x or b.input(2, 3))
    b.graph.outputs = [x]
    seen, alive = [], []

    def observe(value, array):
        seen.append(weakref.ref(array))
        alive.append(sum(ref() is not None for ref in seen))

    run(b.graph, TOOLS.ops, b.feeds(1)[0], observe)
    assert max(alive) == 3, "the sample, an operand and a result"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_are_told_with_their_place(bad):
    b = Builder()
    y = b.conv(b.input(2, 5, 5, 3), 4)
    feeds = b.feeds(3)
    feeds[1]["x"][0, 2, 2, 1] = bad
    with pytest.raises(CompileError, match="GL240.*in %x"):
        quantised(b, [y], feeds=feeds)


def test_infinity_between_layers_has_a_place():
    b = Builder()
    y = b.dense(b("exp", b("mul", b.input(2, 3), b.parameter("c", 3, spread=1e4))), 2)
    b.graph.nodes[1].loc = "body.exp"
    with pytest.raises(CompileError, match="GL240") as caught:
        quantised(b, [y])
    assert caught.value.where == "body.exp"


def test_masks_may_hold_infinity():
    """What stays in float32 is looked at for NaN alone."""
    b = Builder()
    x, mask = b.input(2, 3), b.input(2, 3, name="mask")
    masked = b("softmax", b("div", x, mask), axis=-1)
    b.graph.outputs = [masked]
    feeds = [{"x": np.ones((2, 3), np.float32), "mask": np.array([[1, 0, 1], [0, 1, 1]], np.float32)}]
    found = calibrate(b.graph, TOOLS.ops, [{**feeds[0], "x": -feeds[0]["x"]}], [masked])
    assert found[masked].high == 0.5


def test_what_is_always_zero_has_no_range():
    b = Builder()
    y = b("relu", b("neg", b("relu", b.input(2, 5))))
    with pytest.raises(CompileError, match="GL241.*no range"):
        quantised(b, [b.dense(y, 2)])

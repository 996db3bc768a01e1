"""Methods of choosing ranges, against searches over the numbers themselves and against what must come out."""

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
from gradlet.ir.options import Call, parse_calls
from gradlet.optimizers.quantization.ranges import METHODS, choose, divergence, rounded
from gradlet.optimizers.quantization.statistics import Statistics
from gradlet.tests.optimizers.quantization.small_graphs import quantised, residual_net

RNG = np.random.default_rng(0)
SAMPLES = {
    "normal": RNG.normal(size=20_000),
    "laplace": RNG.laplace(size=20_000),
    "relu": np.maximum(RNG.normal(size=20_000), 0),
    "skewed": RNG.gamma(2.0, size=20_000) - 0.5,
    "outlier": np.append(RNG.normal(size=20_000), 60.0),
}


def statistics_of(*batches: np.ndarray) -> Statistics:
    found = Statistics()
    for batch in batches:
        found.add(np.asarray(batch, np.float32))
    return found


def chosen(method: str, *batches: np.ndarray, symmetric: bool = False) -> tuple[float, float]:
    return choose(parse_calls(method)[0], statistics_of(*batches), symmetric=symmetric)


def test_minmax_is_what_was_seen():
    assert chosen("minmax", [-1.5, 2], [0.5, 3.25]) == (-1.5, 3.25)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("symmetric", [False, True])
def test_zero_is_in_every_range(method: str, symmetric: bool):
    low, high = chosen(method, [2.0, 3.0, 3.0], symmetric=symmetric)
    assert low == 0
    assert 2 < high <= 3
    low, high = chosen(method, [-3.0, -3.0, -2.0], symmetric=symmetric)
    assert -3 <= low < -2
    assert high == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("symmetric", [False, True])
def test_of_zeros_nothing_is_left(method: str, symmetric: bool):
    assert chosen(method, np.zeros(5), np.zeros(5), symmetric=symmetric) == (0, 0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("symmetric", [False, True])
def test_a_constant_keeps_its_value(method: str, symmetric: bool):
    low, high = chosen(method, np.full(100, 0.7), symmetric=symmetric)
    assert low == 0
    assert high == pytest.approx(0.7, rel=1e-3)


def test_moving_average_of_batches():
    found = chosen("moving_average{momentum=0.75}", [-1, 4], [-3, 8], [0.0, 0.0])
    assert found == ((-1 * 0.75 - 3 * 0.25) * 0.75, (4 * 0.75 + 8 * 0.25) * 0.75)


@pytest.mark.parametrize("percent", [99.0, 99.9, 99.99])
@pytest.mark.parametrize("name", SAMPLES)
def test_percentile_is_that_of_the_numbers(name: str, percent: float):
    x, width = SAMPLES[name], statistics_of(SAMPLES[name]).width
    sample = 100 / len(x)

    def at(numbers: np.ndarray, end: float, percent: float) -> bool:
        """Whether `end` is where np.percentile says, but for two numbers and a bin."""
        near = np.percentile(numbers, np.clip([percent - 2 * sample, percent + 2 * sample], 0, 100))
        return bool(near[0] - width <= end <= near[1] + width)

    method = f"percentile{{percent={percent}}}"
    low, high = chosen(method, x)
    assert at(x, high, percent)
    assert at(np.minimum(x, 0), low, 100 - percent)
    low, high = chosen(method, x, symmetric=True)
    assert at(abs(x), max(-low, high), percent)


def squared_error(x: np.ndarray, low: float, high: float, symmetric: bool = False) -> float:
    return float(np.square(rounded(x, low, high, symmetric) - x).sum())


@pytest.mark.parametrize("name", SAMPLES)
def test_mse_is_as_good_as_a_search_over_the_numbers(name: str):
    x = SAMPLES[name]
    ends = np.linspace(0, abs(x).max(), 500)[1:]
    best = min(squared_error(x, -end, end, True) for end in ends)
    low, high = chosen("mse", x, symmetric=True)
    end = max(-low, high)
    assert squared_error(x, -end, end, True) <= 1.02 * best
    lows, highs = np.linspace(min(x.min(), 0), 0, 40), np.linspace(0, x.max(), 60)[1:]
    best = min(squared_error(x, low, high) for low in lows for high in highs)
    assert squared_error(x, *chosen("mse", x)) <= 1.02 * best


@pytest.mark.parametrize("symmetric", [False, True])
def test_mse_clamps_where_that_pays(symmetric: bool):
    x = SAMPLES["outlier"]
    assert chosen("mse", RNG.uniform(-1, 1, 20_000), symmetric=symmetric)[1] == pytest.approx(1, abs=0.02)
    few = np.append(np.tile(x[:-1], 100), 60.0)
    assert chosen("mse", few, symmetric=symmetric)[1] < 20


def divergence_of(x: np.ndarray, end: float, width: float, levels: int) -> float:
    """As the definition says, number by number: no histogram of the statistics, no vectors."""
    bins = round(end / width)
    p, kept = [0] * bins, [0] * bins
    for number in np.abs(x):
        k = int(number / width)
        p[min(k, bins - 1)] += 1
        kept[min(k, bins - 1)] += k < bins
    total, q = sum(kept), [0.0] * bins
    for level in range(levels):
        own = [k for k in range(bins) if k * levels // bins == level and p[k]]
        for k in own:
            q[k] = sum(kept[j] for j in own) / len(own) / total
    if any(p[k] and not q[k] for k in range(bins)):
        return np.inf
    return sum(p[k] / len(x) * np.log(p[k] / len(x) / q[k]) for k in range(bins) if p[k])


@pytest.mark.parametrize("name", SAMPLES)
def test_divergence_is_that_of_its_definition(name: str):
    x = SAMPLES[name][-3000:].astype(np.float32).astype(np.float64)
    statistics = statistics_of(x)
    counts, width = np.bincount((np.abs(x) / statistics.width).astype(int)), statistics.width
    for bins, levels in ((40, 16), (len(counts) // 2, 16), (len(counts), 16), (len(counts) * 2 // 3, 128)):
        expected = divergence_of(x, bins * width, width, levels)
        assert divergence(counts, bins, levels) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", SAMPLES)
def test_kl_takes_the_smallest_divergence(name: str):
    x = SAMPLES[name].astype(np.float32).astype(np.float64)
    width = statistics_of(x).width
    counts = np.bincount((np.abs(x) / width).astype(int))
    counts[0] = counts[1]  # as KullbackLeibler does, so that the zeros of a ReLU do not decide
    levels = 256 if x.min() >= 0 else 128
    found = [divergence(counts, bins, levels) for bins in range(levels, len(counts) + 1)]
    widest = levels + max(k for k, d in enumerate(found) if d == min(found))
    low, high = chosen("kl", x)
    assert max(-low, high) == min(widest * width, abs(x).max())


def test_kl_leaves_outliers_and_keeps_what_is_even():
    few = np.append(np.tile(SAMPLES["outlier"][:-1], 10), 60.0)
    assert chosen("kl", few)[1] < 20
    assert chosen("kl", RNG.uniform(-1, 1, 200_000))[1] == pytest.approx(1, abs=0.02)


def test_zeros_do_not_matter_to_kl():
    x = np.abs(SAMPLES["normal"])
    assert chosen("kl", x) == chosen("kl", np.append(x, np.zeros(10 * x.size)))


def test_a_method_or_an_option_that_does_not_exist():
    with pytest.raises(CompileError, match="ranges=best") as found:
        choose(Call("best"), statistics_of([1.0]))
    assert "minmax, moving_average, percentile, kl, mse" in found.value.hint
    with pytest.raises(CompileError, match="minmax has no option 'percent'"):
        chosen("minmax{percent=3}", [1.0])
    with pytest.raises(CompileError, match="percent=101"):
        chosen("percentile{percent=101}", [1.0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("activations", ["asymmetric", "symmetric", "int16"])
def test_networks_are_quantised_with_every_method(method: str, activations: str):
    builder, y = residual_net()
    made = quantised(builder, [y], ranges=Call(method), activations=activations)
    # Few samples say little about a divergence.
    assert (made.report.outputs["y"] or 0) > (10 if method == "kl" else 20)


def test_samples_that_are_no_numbers_are_refused():
    builder, y = residual_net()
    feeds = builder.feeds(3)
    feeds[1]["x"][0, 2, 3, 1] = np.nan
    with pytest.raises(CompileError, match="NaN"):
        quantised(builder, [y], feeds=feeds, ranges=Call("kl"))

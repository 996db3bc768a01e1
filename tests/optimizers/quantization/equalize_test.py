"""Cross-layer equalisation: the network computes what it did, its weights become easier to round."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from gradlet.backends.reference.executor import Executor
from gradlet.frontends.pytorch.importer import import_module
from gradlet.ir.graph import Graph, State, Value
from gradlet.ir.passes import Context
from gradlet.ir.program import Program
from gradlet.ir.user_states import from_user, to_user
from gradlet.optimizers.passes.equalize import Equalize, find_pairs
from gradlet.optimizers.quantization.options import QuantizeOptions
from gradlet.optimizers.quantization.quantize import prepare, quantize
from gradlet.tests.small_models import TOOLS, Builder, apply

BETWEEN: dict[str, Callable[[Builder, Value], Value]] = {
    "nothing": lambda b, x: x,
    "relu": lambda b, x: b.emit("relu", x),
    "leaky relu": lambda b, x: b.emit("leaky_relu", x, alpha=0.1),
    "pooling": lambda b, x: b.emit("max_pool2d", x, kernel=(2, 2), strides=(2, 2), padding=(1, 1, 0, 0)),
    "means": lambda b, x: b.emit("avg_pool2d", x, kernel=(2, 2), strides=(2, 2), padding=(0, 0, 0, 0)),
    "padding": lambda b, x: b.emit("pad", b.emit("relu", x), before=(0, 1, 1, 0), after=(0, 0, 1, 0)),
    "one side": lambda b, x: b.emit("clip", x, lo=0.0, hi=float("inf")),
}


def layer(b: Builder, op: str, x: Value, size: int) -> Value:
    """With a bias inside, and channels of very different sizes."""
    channels = x.type.shape[-1]
    if op == "dense":
        shape, attrs, out = (size, channels), {}, 0
    elif op == "depthwise_conv2d":
        shape, attrs, out = (3, 3, size), {"strides": (1, 1), "padding": (1, 1, 1, 1)}, 2
    else:
        shape, attrs, out = (size, 3, 3, channels), {"strides": (1, 1), "padding": (1, 1, 1, 1)}, 0
    b.emit.loc = f"layer{len(b.graph.nodes)}"
    weight = b.rng.normal(size=shape) * np.exp(
        2 * b.rng.normal(size=[size if a == out else 1 for a in range(len(shape))])
    )
    return b.emit(op, x, b.state("weight", weight), b.bias(size), **attrs)


def computed(graph: Graph, states: dict[str, np.ndarray] | None = None) -> np.ndarray:
    feed = {v.name: np.random.default_rng(1).normal(size=v.type.shape).astype(np.float32) for v in graph.inputs}
    return Executor(graph, TOOLS.ops, states, float64=True).run(feed)[graph.outputs[0].name]


def equalized(graph: Graph, **options: float) -> bool:
    return Equalize(**options).run(graph, Context(TOOLS))  # type: ignore[arg-type]


def assert_same_function(graph: Graph, pairs: int) -> None:
    before = computed(graph)
    assert len(list(find_pairs(graph))) == pairs
    assert equalized(graph) == bool(pairs)
    np.testing.assert_allclose(computed(graph), before, rtol=1e-5, atol=1e-5 * np.abs(before).max())


def largest(state: State, axis: int) -> np.ndarray:
    return np.abs(state.init).max(axis=tuple(a for a in range(state.init.ndim) if a != axis))


@pytest.mark.parametrize("between", BETWEEN)
def test_ranges_of_a_pair_are_equal_afterwards(between: str):
    b = Builder("pair", 2, 6, 6, 3)
    graph = b.done(layer(b, "conv2d", BETWEEN[between](b, layer(b, "conv2d", b.x, 5)), 4))
    first, second = graph.states[0], graph.states[2]
    assert not np.allclose(largest(first, 0), largest(second, 3), rtol=0.2)
    assert_same_function(graph, 1)
    np.testing.assert_allclose(largest(first, 0), largest(second, 3), rtol=1e-5)


@pytest.mark.parametrize(
    ("ops", "sizes"),
    [
        (("conv2d", "depthwise_conv2d", "conv2d"), (4, 4, 3)),
        (("conv2d", "depthwise_conv2d", "conv2d"), (4, 8, 3)),
        (("depthwise_conv2d", "depthwise_conv2d"), (6, 12)),
        (("conv2d", "conv2d", "conv2d"), (4, 5, 6)),
        (("dense", "dense", "dense"), (4, 5, 6)),
    ],
)
def test_chains_converge(ops: tuple[str, ...], sizes: tuple[int, ...]):
    b = Builder("chain", *((2, 3) if ops[0] == "dense" else (2, 5, 5, 3)))
    x = b.x
    for op, size in zip(ops, sizes, strict=True):
        x = b.emit("relu", layer(b, op, x, size))
    graph = b.done(x)
    assert_same_function(graph, len(ops) - 1)
    assert not equalized(graph, tolerance=0.01)


def test_a_flattened_image_has_each_channel_several_times():
    b = Builder("flattened", 2, 4, 4, 3)
    x = b.emit("relu", layer(b, "conv2d", b.x, 5))
    graph = b.done(layer(b, "dense", b.emit("reshape", x, shape=(2, 80)), 6))
    assert_same_function(graph, 1)
    columns = largest(graph.states[2], 1).reshape(16, 5).max(axis=0)
    np.testing.assert_allclose(largest(graph.states[0], 0), columns, rtol=1e-5)


def test_means_over_the_image_let_factors_through():
    b = Builder("head", 2, 4, 4, 3)
    x = b.emit("mean", b.emit("relu", layer(b, "conv2d", b.x, 5)), axis=(1, 2))
    assert_same_function(b.done(layer(b, "dense", x, 6)), 1)


def _grouped(b: Builder) -> Graph:
    x = layer(b, "conv2d", b.x, 4)
    b.emit.loc = "grouped"
    return b.done(b.emit("conv2d", x, b.weight(6, 1, 1, 2), strides=(1, 1), padding=(0, 0, 0, 0), groups=2))


def _read_twice(b: Builder) -> Graph:
    x = layer(b, "conv2d", b.x, 3)
    return b.done(b.emit("add", layer(b, "conv2d", x, 3), x))


def _returned(b: Builder) -> Graph:
    x = layer(b, "conv2d", b.x, 3)
    return b.done(layer(b, "conv2d", x, 3), x)


def _shared(b: Builder) -> Graph:
    x = b.x
    weight = b.weight(3, 3, 3, 3)
    for _ in range(2):
        x = b.emit("conv2d", x, weight, strides=(1, 1), padding=(1, 1, 1, 1))
    return b.done(x)


def _through(op: str, **attrs: object) -> Callable[[Builder], Graph]:
    return lambda b: b.done(layer(b, "conv2d", b.emit(op, layer(b, "conv2d", b.x, 3), **attrs), 3))


@pytest.mark.parametrize(
    "build",
    [
        _grouped,
        _read_twice,
        _returned,
        _shared,
        _through("clip", lo=0.0, hi=6.0),
        _through("sigmoid"),
        _through("mean", axis=(3,), keepdims=True),
        _through("pad", before=(0, 0, 0, 0), after=(0, 1, 0, 0), value=1.0),
    ],
)
def test_what_does_not_let_factors_through_stays(build: Callable[[Builder], Graph]):
    b = Builder("alone", 2, 6, 6, 3)
    assert_same_function(build(b), 0)


def test_channels_without_weights_stay():
    b = Builder("zeros", 2, 6, 6, 3)
    graph = b.done(layer(b, "conv2d", b.emit("relu", layer(b, "conv2d", b.x, 4)), 3))
    graph.states[0].init[1] = 0
    graph.states[2].init[..., 2] = 0
    kept = graph.states[0].init[2].copy(), graph.states[2].init[..., 1].copy()
    assert_same_function(graph, 1)
    np.testing.assert_array_equal(graph.states[0].init[2], kept[0])
    np.testing.assert_array_equal(graph.states[2].init[..., 1], kept[1])


def ratio(state: State) -> float:
    """Signal to noise of int8 weights with one scale for all, in dB: that of the channel that suffers most."""
    w = state.init.astype(np.float64)
    step = np.abs(w).max() / 127
    channels = np.moveaxis(w, 2 if w.ndim == 3 else 0, 0).reshape(-1, w.size // w.shape[2 if w.ndim == 3 else 0])
    noise = np.square(np.rint(channels / step) * step - channels).sum(axis=1) / np.square(channels).sum(axis=1)
    return float(-10 * np.log10(noise.max()))


class Net(nn.Module):
    """Batch norms, a depthwise convolution and channels of very different sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.norm2 = nn.BatchNorm2d(8)
        self.pointwise = nn.Conv2d(8, 6, 1)
        self.head = nn.Linear(6 * 4 * 4, 5)
        for norm in (self.norm1, self.norm2):
            nn.init.normal_(norm.weight)
            norm.weight.data = torch.exp(1.5 * norm.weight.data)
            nn.init.uniform_(norm.bias, -1, 1)
            nn.init.uniform_(norm.running_mean, -1, 1)
            nn.init.uniform_(norm.running_var, 0.5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm1(self.first(x)))
        x = torch.relu(self.norm2(self.depthwise(x)))
        return self.head(torch.flatten(torch.relu(self.pointwise(x)), 1))


def of_module() -> tuple[nn.Module, Graph]:
    torch.manual_seed(0)
    module = Net().eval()
    program = import_module(module, torch.randn(2, 3, 6, 6), toolbox=TOOLS)
    return module, apply(program.graph, "forward")


def test_weights_of_one_scale_lose_less():
    _, graph = of_module()
    weights = [s for s in graph.states if s.init.ndim > 1]
    before = [ratio(s) for s in weights]
    assert_same_function(graph, 3)
    after = [ratio(s) for s in weights]
    assert min(after) > min(before) + 5
    assert np.mean(after) > np.mean(before) + 3


def test_the_user_reads_and_gives_weights_as_before():
    module, graph = of_module()
    of_user = {name: array.numpy() for name, array in module.state_dict().items()}
    names = {s.source.name for s in graph.states if s.source}
    assert equalized(graph)
    back = to_user(graph, {s.name: s.init for s in graph.states})
    assert back.keys() == names
    for name, array in back.items():
        np.testing.assert_allclose(array, of_user[name], rtol=1e-5, atol=1e-6, err_msg=name)
    for name, content in from_user(graph, {name: of_user[name] for name in names}).items():
        expected = next(s.init for s in graph.states if s.name == name)
        np.testing.assert_allclose(content, expected, rtol=1e-4, atol=1e-5, err_msg=name)


def test_what_learned_since_is_the_same_model_for_the_user():
    module, graph = of_module()
    assert equalized(graph)
    rng = np.random.default_rng(3)
    states = {s.name: s.init * (1 + 0.1 * rng.normal(size=s.init.shape)).astype(np.float32) for s in graph.states}
    predicted = computed(graph, dict(states))
    module.load_state_dict({k: torch.from_numpy(v) for k, v in to_user(graph, states).items()}, strict=False)
    x = np.random.default_rng(1).normal(size=graph.inputs[0].type.shape).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(np.moveaxis(x, -1, 1).copy())).numpy()
    np.testing.assert_allclose(predicted, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_int8_weights_are_read_back_in_the_units_of_the_user():
    module, graph = of_module()
    program, context = Program(graph), Context(TOOLS)
    prepare(program, context, "equalize")
    rng = np.random.default_rng(4)
    shape = graph.inputs[0].type.shape
    feeds = [{graph.inputs[0].name: rng.normal(size=shape).astype(np.float32)} for _ in range(4)]
    quantize(program, context, feeds, QuantizeOptions())
    assert "equalize" in program.pipeline
    back = to_user(program.graph, {s.name: s.init for s in program.graph.states})
    for name, array in module.state_dict().items():
        if name in back and array.ndim > 1:
            noise = np.abs(back[name] - array.numpy()).reshape(len(array), -1).max(axis=1)
            largest_ = np.abs(array.numpy()).reshape(len(array), -1).max(axis=1)
            # Half a step of 127, times what the scales of input channels differ by.
            assert 0 < (noise / largest_).max() < 0.2, name
    assert {"first.weight", "depthwise.weight", "pointwise.weight", "head.weight"} <= back.keys()

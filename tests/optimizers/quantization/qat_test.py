"""Quantisation-aware training: the rounded float graph is the int8 one, and training it makes up for rounding."""

import numpy as np
import pytest

from gradlet.ir.graph import Graph, Node, Value
from gradlet.ir.passes import Context
from gradlet.ir.plugin import Toolbox
from gradlet.ir.program import Program
from gradlet.ir.quantized_states import Layer
from gradlet.ir.verifier import verify
from gradlet.optimizers.quantization.calibration import Feed, calibrate, run
from gradlet.optimizers.quantization.convert import Conversion
from gradlet.optimizers.quantization.layers import make_layers
from gradlet.optimizers.quantization.options import QuantizeOptions
from gradlet.optimizers.quantization.plan import Plan, make_plan
from gradlet.optimizers.quantization.qat import rounded_states, with_fake_quantize
from gradlet.optimizers.quantization.quantize import choose_params, prepare
from gradlet.optimizers.quantization.rule import Setting
from gradlet.optimizers.quantization.scales import Quantization
from gradlet.tests.optimizers.quantization.small_graphs import TOOLS, Builder, Network, residual_net
from gradlet.tools.distillation import distill


class Stages:
    """What `quantize` makes on its way, and the rounded float graph."""

    def __init__(self, builder: Builder, output: Value, **options: str):
        output.name = "y"
        builder.graph.outputs = [output]
        program = Program(builder.graph)
        prepare(program, Context(TOOLS))
        self.graph = program.graph
        self.feeds: list[Feed] = list(builder.feeds(16))
        chosen = QuantizeOptions(**options)  # type: ignore[arg-type]
        self.plan: Plan = make_plan(Setting(self.graph, TOOLS.ops, chosen), TOOLS.converters("int8"))
        statistics = calibrate(self.graph, TOOLS.ops, self.feeds, self.plan.measured)
        self.params: dict[Value, Quantization] = choose_params(self.plan, statistics, chosen)
        self.layers: dict[Node, Layer] = make_layers(self.graph, self.plan, self.params, chosen.weights == "per_tensor")
        self.rounded = with_fake_quantize(self.graph, TOOLS.ops, self.plan, self.params, self.layers)

    def int8(self) -> Graph:
        layers = rounded_states(self.graph, self.layers)
        return Conversion(self.graph, TOOLS.ops, self.plan, self.params, layers).write(int8_inputs=False)

    def learn(self, states: dict[str, np.ndarray]) -> None:
        """Puts them into both graphs."""
        for graph in (self.graph, self.rounded):
            for state in graph.states:
                state.init = states.get(state.name, state.init)


def of(graph: Graph, feeds: list[Feed], tools: Toolbox = TOOLS) -> np.ndarray:
    return np.concatenate([run(graph, tools.ops, feed)["y"] for feed in feeds])


def plain_net() -> tuple[Builder, Value]:
    """No means, whose integers end in a half often: float32 rounds those to either side."""
    b = Builder()
    stem = b.conv(b.input(2, 8, 8, 3), 8, activation="relu")
    body = b.conv(b.depthwise(stem, activation="relu6"), 8)
    y = b("max_pool2d", b("relu", b("add", body, stem)), kernel=(2, 2), strides=(2, 2), padding=(0, 0, 0, 0))
    return b, b.dense(b("reshape", y, shape=(2, 128)), 5)


@pytest.mark.parametrize("options", [{"weights": "per_channel"}, {"weights": "per_tensor"}, {"activations": "int16"}])
@pytest.mark.parametrize(("network", "share"), [(plain_net, 0.05), (residual_net, 0.2)])
def test_the_rounded_graph_is_the_int8_graph(network: Network, share: float, options: dict[str, str]):
    if options.get("activations") == "int16":
        share += 0.1  # of four layers, whose sums in float32 are off by some 2 % of a step each
    stages = Stages(*network(), **options)
    verify(stages.rounded, TOOLS.ops)
    exact, rounded, int8 = (of(g, stages.feeds) for g in (stages.graph, stages.rounded, stages.int8()))
    step = stages.params[stages.plan.root(stages.graph.outputs[0])].scale
    apart = np.rint((rounded - int8) / step)
    ulp = np.spacing(np.abs(int8).max())
    np.testing.assert_allclose(rounded - int8, apart * step, atol=1e-4 * step + ulp)
    assert np.mean(apart != 0) < share
    assert np.square(rounded - int8).mean() < 2 * share * np.square(exact - int8).mean()


def test_every_node_is_rounded_once():
    stages = Stages(*residual_net())
    fake = [n for n in stages.rounded.nodes if n.op == "fake_quantize"]
    assert sum("axis" in n.attrs for n in fake) == len(stages.layers)
    assert not any(v.producer in fake for n in fake for v in n.inputs)
    for node in stages.rounded.nodes:
        if node.op in ("conv2d", "depthwise_conv2d", "dense"):
            assert all(v.producer in fake for v in node.inputs[:2])


def test_what_stays_in_float_reads_floats():
    b = Builder()
    x = b.input(2, 4, 4, 3)
    shared = b.parameter("shared.weight", 3, 1, 1, 3)
    y = x
    for _ in range(2):
        y = b("conv2d", y, shared, strides=(1, 1), padding=(0, 0, 0, 0))
    stages = Stages(b, b.conv(y, 3))
    first, second, third = (n for n in stages.rounded.nodes if n.op == "conv2d")
    assert first.inputs[0] is stages.rounded.inputs[0]
    assert second.inputs[0].producer is first
    assert third.inputs[0].producer is not None
    assert third.inputs[0].producer.op == "fake_quantize"
    assert np.mean(of(stages.rounded, stages.feeds) != of(stages.int8(), stages.feeds)) < 0.05


def test_training_makes_up_for_rounding():
    b, y = residual_net()
    for state in b.graph.states:
        if state.init.ndim > 1:  # one weight that all others are small against
            state.init.reshape(-1)[0] = 8 * np.abs(state.init).max()
    stages = Stages(b, y, weights="per_tensor")
    wanted = of(stages.graph, stages.feeds)

    def error() -> float:
        return float(np.square(of(stages.int8(), stages.feeds) - wanted).mean())

    before = error()
    learned = distill(stages.rounded, stages.graph, stages.feeds, TOOLS, steps=300, lr=1e-3)
    assert learned.keys() == {s.name for s in stages.graph.states if s.trainable}
    stages.learn(learned)
    assert error() < 0.7 * before

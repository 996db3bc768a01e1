"""Float graphs of a few ops, quantised for tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlet.ir.graph import Graph, Source, Value
from gradlet.ir.op_def import Emit
from gradlet.ir.passes import Context
from gradlet.ir.plugin import load
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import f32
from gradlet.optimizers.clone import clone
from gradlet.optimizers.quantization.options import QuantizeOptions
from gradlet.optimizers.quantization.quantize import prepare, quantize
from gradlet.optimizers.quantization.report import QuantizationReport

TOOLS = load(installed=False)


class Builder:
    """A float graph that grows: parameters are drawn, and belong to a user's model."""

    def __init__(self, seed: int = 0):
        self.graph, self.rng = Graph("net"), np.random.default_rng(seed)
        self.emit = Emit(TOOLS.ops, self.graph)

    def __call__(self, op: str, *inputs: Value, **attrs: Any) -> Value:
        return self.emit(op, *inputs, **attrs)

    def input(self, *shape: int, name: str = "x") -> Value:
        return self.graph.add_input(name, f32(*shape))

    def parameter(self, name: str, *shape: int, spread: float = 1.0) -> Value:
        content = (self.rng.normal(size=shape) * spread).astype(np.float32)
        source = Source(name, shape, shape, tuple(range(len(shape))))
        return self.graph.add_state(name, content, f32(*shape), trainable=True, source=source)

    def conv(self, x: Value, outputs: int, size: int = 3, *, stride: int = 1, bias: bool = True, **attrs: Any) -> Value:
        name, inputs, edge = f"conv{len(self.graph.nodes)}", x.type.shape[3], size // 2
        self.emit.loc = name
        groups = attrs.get("groups", 1)
        spread = (size * size * inputs / groups) ** -0.5
        operands = [self.parameter(f"{name}.weight", outputs, size, size, inputs // groups, spread=spread)]
        operands += [self.parameter(f"{name}.bias", outputs, spread=0.1)] if bias else []
        return self("conv2d", x, *operands, strides=(stride, stride), padding=(edge,) * 4, **attrs)

    def depthwise(self, x: Value, size: int = 3, **attrs: Any) -> Value:
        name, channels, edge = f"depthwise{len(self.graph.nodes)}", x.type.shape[3], size // 2
        self.emit.loc = name
        w = self.parameter(f"{name}.weight", size, size, channels, spread=1 / size)
        bias = self.parameter(f"{name}.bias", channels, spread=0.1)
        return self("depthwise_conv2d", x, w, bias, strides=(1, 1), padding=(edge,) * 4, **attrs)

    def dense(self, x: Value, outputs: int, **attrs: Any) -> Value:
        name = f"dense{len(self.graph.nodes)}"
        self.emit.loc = name
        w = self.parameter(f"{name}.weight", outputs, x.type.shape[-1], spread=x.type.shape[-1] ** -0.5)
        return self("dense", x, w, self.parameter(f"{name}.bias", outputs, spread=0.1), **attrs)

    def feeds(self, count: int = 8, low: float = -1.0, high: float = 1.5) -> list[dict[str, np.ndarray]]:
        shapes = {v.name: v.type.shape for v in self.graph.inputs}
        return [
            {name: self.rng.uniform(low, high, shape).astype(np.float32) for name, shape in shapes.items()}
            for _ in range(count)
        ]


@dataclass(frozen=True)
class Made:
    """A quantised graph beside the float graph it was made of."""

    exact: Graph
    program: Program
    report: QuantizationReport
    feeds: Sequence[dict[str, np.ndarray]]


def quantised(builder: Builder, outputs: Sequence[Value], *, feeds: Any = None, **options: Any) -> Made:
    """Quantises the graph of a builder, whose result these values are."""
    for k, value in enumerate(outputs):
        value.name = "y" if len(outputs) == 1 else f"y{k}"
    builder.graph.outputs = list(outputs)
    program = Program(builder.graph)
    context = Context(TOOLS)
    prepare(program, context)
    exact = clone(program.graph)
    feeds = builder.feeds() if feeds is None else feeds
    return Made(exact, program, quantize(program, context, feeds, QuantizeOptions(**options)), feeds)


Network = Callable[[], tuple[Builder, Value]]


def residual_net() -> tuple[Builder, Value]:
    """A residual, a concat, a depthwise convolution, both kinds of pooling, a mean, and a dense head."""
    b = Builder()
    stem = b.conv(b.input(2, 8, 8, 3), 8, activation="relu")
    body = b.conv(b.conv(stem, 8, activation="relu"), 8)
    y = b("relu", b("add", body, stem))
    pooled = b("max_pool2d", y, kernel=(2, 2), strides=(2, 2), padding=(0, 0, 0, 0))
    mean = b("avg_pool2d", y, kernel=(3, 3), strides=(2, 2), padding=(1, 1, 1, 1))
    y = b("concat", b.depthwise(pooled, activation="relu6"), mean, axis=3)
    y = b("mean", b.conv(y, 12, 1, activation="relu"), axis=(1, 2))
    return b, b.dense(y, 5)

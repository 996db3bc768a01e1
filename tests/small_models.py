"""Small forward graphs built by hand, with seeded weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gradlet.backends.reference.session import ReferenceSession
from gradlet.ir.graph import Graph, Role, Value
from gradlet.ir.op_def import Emit
from gradlet.ir.passes import Context
from gradlet.ir.plugin import Toolbox, load
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import f32
from gradlet.optimizers.clone import clone
from gradlet.optimizers.compilation import optimize
from gradlet.optimizers.pass_manager import PassManager
from gradlet.optimizers.pipelines import make_passes, parse_pipeline

TOOLS: Toolbox = load(installed=False)
SAME = {"strides": (1, 1), "padding": (1, 1, 1, 1)}
POINTWISE = {"strides": (1, 1), "padding": (0, 0, 0, 0)}


class Builder:
    """A graph with input `x`, and parameters with He initialisation that all learn."""

    def __init__(self, name: str, *shape: int, seed: int = 0):
        self.graph = Graph(name)
        self.x = self.graph.add_input("x", f32(*shape))
        self.emit = Emit(TOOLS.ops, self.graph)
        self.rng = np.random.default_rng(seed)

    def weight(self, *shape: int, name: str = "weight") -> Value:
        fan_in = int(np.prod(shape[1:])) if len(shape) != 3 else shape[0] * shape[1]
        return self.state(name, self.rng.normal(0, np.sqrt(2 / fan_in), shape))

    def bias(self, size: int) -> Value:
        return self.state("bias", self.rng.normal(0, 0.1, (size,)))

    def state(self, name: str, init: np.ndarray, role: Role = Role.PARAMETER) -> Value:
        full = f"{self.emit.loc}.{name}" if self.emit.loc else name
        learns = role is Role.PARAMETER
        return self.graph.add_state(full, init.astype(np.float32), f32(*init.shape), role, trainable=learns)

    def dense(self, x: Value, size: int) -> Value:
        y = self.emit("dense", x, self.weight(size, x.type.shape[-1]))
        return self.emit("bias_add", y, self.bias(size))

    def conv(self, x: Value, size: int, kernel: int = 1, **attrs: Any) -> Value:
        window = SAME if kernel == 3 else POINTWISE
        y = self.emit("conv2d", x, self.weight(size, kernel, kernel, x.type.shape[-1]), **{**window, **attrs})
        return self.emit("bias_add", y, self.bias(size))

    def depthwise(self, x: Value) -> Value:
        y = self.emit("depthwise_conv2d", x, self.weight(3, 3, x.type.shape[-1]), **SAME)
        return self.emit("bias_add", y, self.bias(x.type.shape[-1]))

    def batch_norm(self, x: Value) -> Value:
        size = x.type.shape[-1]
        gamma = self.state("gamma", self.rng.uniform(0.5, 1.5, (size,)))
        beta = self.state("beta", self.rng.normal(0, 0.1, (size,)))
        mean = self.state("mean", self.rng.normal(0, 0.1, (size,)), Role.BUFFER)
        var = self.state("var", self.rng.uniform(0.5, 1.5, (size,)), Role.BUFFER)
        return self.emit("batch_norm", x, gamma, beta, mean, var, eps=1e-5)

    def done(self, *outputs: Value) -> Graph:
        self.graph.outputs = list(outputs)
        return self.graph


def linear() -> Graph:
    """y = x Wᵀ + b."""
    b = Builder("linear", 4, 10)
    b.emit.loc = "fc"
    return b.done(b.dense(b.x, 20))


def mlp(*sizes: int, batch: int = 4) -> Graph:
    b = Builder("mlp", batch, sizes[0])
    x = b.x
    for k, size in enumerate(sizes[1:]):
        b.emit.loc = f"layers.{k}"
        x = b.dense(x, size)
        x = b.emit("relu", x) if k < len(sizes) - 2 else x
    return b.done(x)


def conv_net(batch: int = 2, *, batch_norm: bool = False) -> Graph:
    """An inverted residual between a first convolution and a dense head."""
    b = Builder("conv_net", batch, 6, 6, 3)

    def clamped(x: Value) -> Value:
        return b.emit("clip", b.batch_norm(x) if batch_norm else x, lo=0.0, hi=6.0)

    b.emit.loc = "first"
    first = clamped(b.conv(b.x, 4, 3))
    b.emit.loc = "block.expand"
    x = clamped(b.conv(first, 8))
    b.emit.loc = "block.depthwise"
    x = clamped(b.depthwise(x))
    b.emit.loc = "block.project"
    x = b.conv(x, 4)
    b.emit.loc = "block"
    x = b.emit("add", x, first)
    b.emit.loc = "pool"
    x = b.emit("mean", x, axis=(1, 2))
    b.emit.loc = "fc"
    return b.done(b.dense(x, 5))


def apply(graph: Graph, pipeline: str, context: Context | None = None) -> Graph:
    """Runs passes on the graph; returns it."""
    context = context or Context(TOOLS)
    PassManager(context, make_passes(TOOLS, parse_pipeline(pipeline))).run(graph)
    return graph


def compiled(graph: Graph, pipeline: str = "train", **options: Mapping[str, Any]) -> Program:
    """A copy of the graph, compiled."""
    return optimize(Program(clone(graph)), Context(TOOLS), pipeline, options=options)


def batches(graph: Graph, steps: int = 5, classes: int = 3) -> Iterator[dict[str, np.ndarray]]:
    """Inputs for a graph that was made with an input `x`."""
    rng = np.random.default_rng(5)
    for _ in range(steps):
        batch = {v.name: rng.normal(size=v.type.shape).astype(np.float32) for v in graph.inputs if v.name != "label"}
        for value in graph.inputs:
            if value.name == "label":
                batch["label"] = rng.integers(0, classes, value.type.shape).astype(np.int32)
            if value.name == "lr":
                batch["lr"] = np.asarray(0.05, np.float32)
        yield batch


def train(program: Program, steps: int = 5, **options: bool) -> tuple[list[float], dict[str, np.ndarray]]:
    """The losses of some steps on the reference backend, and all states after them."""
    session = ReferenceSession(program, TOOLS, **options)
    losses = [float(next(iter(session.train_step(b).values()))) for b in batches(program.graph, steps)]
    return losses, session.states()


def ops_of(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes]

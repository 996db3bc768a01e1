"""Random small models with a loss, an update rule and a choice of what learns; the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gradlet.ir.graph import Graph, Node, Role, Value
from gradlet.ir.op_def import Emit, OpSet
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import f32, i32
from gradlet.optimizers.layers import find_layers

UPDATES = (
    "sgd",
    "sgd{weight_decay=0.01}",
    "sgd{every=2}",
    "momentum{momentum=0.9}",
    "momentum{momentum=0.8,nesterov=true,weight_decay=0.01}",
    "momentum{momentum=0.5,every=2}",
    # A large eps: rounding errors of a gradient that should be zero are not blown up to a whole step.
    "adam{eps=0.01}",
    "adam{eps=0.01,weight_decay=0.1,decoupled=true,every=2}",
)
SCHEMES = (
    "full",
    "full",
    "full{ratio=0.5}",
    "full{ratio=0.3,criterion=magnitude-}",
    "full{ratio=0.6,criterion=random,seed=3}",
    "bias_only",
    "head_only",
    "last_1",
    "last_2{ratio=0.5,head=false}",
    "bias_last_2",
)


@dataclass(frozen=True)
class Case:
    """A model and how to train it.

    Attributes:
        program: Its graph is the forward pass.
        options: Of the passes, for `optimize` and `parse_pipeline`.
        classes: Labels are below this.
        seed: What it was drawn from; also that of its batches.
    """

    program: Program
    options: dict[str, dict[str, str]]
    classes: int
    seed: int

    def batches(self, graph: Graph, steps: int) -> Iterator[dict[str, np.ndarray]]:
        """Inputs for some steps of a training step or an inference made of this model."""
        rng = np.random.default_rng(self.seed)
        everything = [self._batch(rng, {v.name: v for v in graph.inputs}) for _ in range(steps)]
        yield from everything

    def _batch(self, rng: np.random.Generator, inputs: dict[str, Value]) -> dict[str, np.ndarray]:
        # Drawn in a fixed order, so that inference and step see the same x.
        return {name: self._draw(rng, name, inputs[name]) for name in ("x", "label", "target", "lr") if name in inputs}

    def _draw(self, rng: np.random.Generator, name: str, value: Value) -> np.ndarray:
        if name == "lr":
            # The slopes of squares grow with the values.
            return np.asarray(0.002 if self.options["differentiate"]["loss"] == "mse" else 0.01, np.float32)
        if name == "label":
            return rng.integers(0, self.classes, value.type.shape).astype(np.int32)
        return rng.normal(size=value.type.shape).astype(np.float32)


def draw(seed: int, ops: OpSet) -> Case:
    """The model of a seed."""
    rng = np.random.default_rng([7, seed])
    graph = Graph(f"random_{seed}")
    batch, height, width, channels = (int(rng.integers(low, high)) for low, high in ((1, 4), (4, 9), (4, 9), (1, 6)))
    x = graph.add_input("x", f32(batch, height, width, channels))
    model = _Model(rng, Emit(ops, graph), classes=int(rng.integers(2, 6)))
    for k in range(int(rng.integers(2, 9))):
        model.emit.loc = f"block{k}"
        x = model.grow(x)
    model.emit.loc = "head"
    prediction, loss = model.finish(x)
    graph.outputs = [prediction, *([x] if rng.random() < 0.2 and x is not prediction else [])]
    graph.renumber()
    schemes = SCHEMES if loss != "output" and find_layers(graph)[0] else SCHEMES[:2]
    scheme = schemes[int(rng.integers(len(schemes)))]
    update = UPDATES[int(rng.integers(len(UPDATES)))]
    options = {
        # Folded, gamma and beta would learn in another way.
        "fold_batch_norm": {"frozen_only": "true"},
        "sparse_update": {"scheme": scheme},
        "differentiate": {"loss": loss, "update": update},
    }
    return Case(Program(graph), options, model.classes, seed)


class _Model:
    """Emits one random block after another."""

    def __init__(self, rng: np.random.Generator, emit: Emit, classes: int):
        self.rng, self.emit, self.classes = rng, emit, classes
        self.kept: list[Value] = []
        self.known = {v: rng.normal(size=v.type.shape).astype(np.float32) for v in emit.graph.inputs}

    def integer(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def pick(self, *choices: str) -> str:
        return choices[self.integer(0, len(choices) - 1)]

    def state(self, name: str, *shape: int, around: float = 0.0, spread: float = 0.0) -> Value:
        """A parameter, which learns more often than not; weights have He initialisation unless told otherwise."""
        fan_in = int(np.prod(shape[1:])) if len(shape) == 4 or len(shape) == 2 else int(np.prod(shape[:2]))
        deviation = spread or np.sqrt(2 / max(1, fan_in))
        init = (around + deviation * self.rng.normal(size=shape)).astype(np.float32)
        full_name = self.emit.graph.free_name(f"{self.emit.loc}.{name}")
        return self.emit.graph.add_state(full_name, init, f32(*shape), trainable=self.rng.random() < 0.85)

    def grow(self, x: Value) -> Value:
        """One more block; sometimes its input is kept for a later sum or product."""
        blocks = IMAGE_BLOCKS if len(x.type.shape) == 4 else FLAT_BLOCKS
        if self.rng.random() < 0.4:
            self.kept.append(x)
        return self.tamed(blocks[self.integer(0, len(blocks) - 1)](self, x))

    def tamed(self, x: Value) -> Value:
        """The value, scaled down where it is so large that training would diverge."""
        largest = float(np.abs(self.look(x)).max())
        return self.emit("scale", x, factor=float(np.float32(2 / largest))) if largest > 4 else x

    def look(self, x: Value) -> np.ndarray:
        """What a value is for a random input."""
        self.known |= {s.value: s.init for s in self.emit.graph.states}
        for node in self.emit.graph.nodes:
            if node.outputs[0] not in self.known:
                self.known |= zip(node.outputs, self.evaluated(node), strict=True)
        return self.known[x]

    def evaluated(self, node: Node) -> list[np.ndarray]:
        results = self.emit.ops[node.op].evaluate([self.known[v] for v in node.inputs], node.attrs)
        return [np.asarray(r, v.type.dtype.numpy) for v, r in zip(node.outputs, results, strict=True)]

    def finish(self, x: Value) -> tuple[Value, str]:
        """The prediction and the name of its loss."""
        if len(x.type.shape) == 4:
            x = self.tamed(flat(self, x))
        kind = self.pick("softmax_cross_entropy", "softmax_cross_entropy", "mse", "output")
        y = dense(self, x, self.classes)
        self.emit.graph.states[-1].trainable = True
        if kind == "output":
            y = self.emit("tanh", y)
            return self.emit("mean", self.emit("mul", y, y), axis=tuple(range(len(y.type.shape)))), kind
        return y, kind


def _strides(model: _Model) -> tuple[int, int]:
    return (model.integer(1, 2), model.integer(1, 2))


def conv(model: _Model, x: Value) -> Value:
    _, height, width, channels = x.type.shape
    kernel = (model.integer(1, min(3, height)), model.integer(1, min(3, width)))
    groups = model.pick("1", "1", "all")
    count = 1 if groups == "1" or channels > 4 else channels
    out = count * model.integer(1, 3) if count > 1 else model.integer(1, 7)
    weight = model.state("weight", out, *kernel, channels // count)
    extra = [model.state("bias", out, spread=0.1)] if model.rng.random() < 0.4 else []
    padding = tuple(model.integer(0, k - 1) for k in (*kernel, *kernel))
    dilation = (1, 1 + int(kernel[1] == 2 and width > 3))
    attrs = {"strides": _strides(model), "padding": padding, "dilation": dilation}
    return model.emit("conv2d", x, weight, *extra, **attrs, **({"groups": count} if count > 1 else {}))


def depthwise(model: _Model, x: Value) -> Value:
    channels, multiplier = x.type.shape[3], model.integer(1, 2)
    kernel = (min(3, x.type.shape[1]), min(model.integer(1, 3), x.type.shape[2]))
    weight = model.state("weight", *kernel, channels * multiplier)
    padding = tuple(k // 2 for k in (*kernel, *kernel))
    return model.emit("depthwise_conv2d", x, weight, strides=_strides(model), padding=padding)


def dense(model: _Model, x: Value, size: int = 0) -> Value:
    out = size or model.integer(2, 9)
    y = model.emit("dense", x, model.state("weight", out, x.type.shape[-1]))
    return model.emit("bias_add", y, model.state("bias", out, spread=0.1)) if model.rng.random() < 0.7 else y


def matmul(model: _Model, x: Value) -> Value:
    out = model.integer(2, 6)
    if model.rng.random() < 0.5:
        return model.emit("matmul", x, model.state("factor", x.type.shape[-1], out, spread=0.5))
    return model.emit("matmul", x, model.state("factor", out, x.type.shape[-1], spread=0.5), transpose_b=True)


def bias(model: _Model, x: Value) -> Value:
    return model.emit("bias_add", x, model.state("bias", x.type.shape[-1], spread=0.1))


def activation(model: _Model, x: Value) -> Value:
    op = model.pick("relu", "relu", "clip", "sigmoid", "silu", "hard_swish", "tanh", "elu", "gelu", "leaky_relu", "abs")
    attrs = {"clip": {"lo": 0.0, "hi": 6.0}, "elu": {"alpha": 0.5}, "leaky_relu": {"alpha": 0.1}}
    return model.emit(op, x, **attrs.get(op, {}))


def curve(model: _Model, x: Value) -> Value:
    """A function with a restricted domain, on a domain that suits it."""
    kind = model.pick("exp", "log", "sqrt", "rsqrt", "pow", "div", "neg")
    one = model.emit("full", shape=(), value=1.5)
    if kind in ("exp", "neg"):
        return model.emit(kind, model.emit("tanh", x))
    positive = model.emit("add", model.emit("mul", x, x), one)
    if kind == "pow":
        return model.emit("pow", positive, model.emit("full", shape=(), value=0.75))
    return model.emit("div", x, positive) if kind == "div" else model.emit(kind, positive)


def scaled(model: _Model, x: Value) -> Value:
    return model.emit("scale", x, factor=float(np.float32(model.rng.uniform(0.5, 1.5))))


def normalised(model: _Model, x: Value) -> Value:
    size = x.type.shape[-1]
    gamma, beta = model.state("gamma", size, around=1.0, spread=0.1), model.state("beta", size, spread=0.1)
    mean, var = (model.state(n, size, around=a, spread=0.1) for n, a in (("mean", 0.0), ("var", 1.0)))
    for statistic in (mean, var):
        state = model.emit.graph.state_of(statistic)
        assert state is not None
        state.role, state.trainable, state.init = Role.BUFFER, False, np.abs(state.init)
    # With fewer values the normalised result is mostly rounding error.
    if int(np.prod(x.type.shape[:-1])) >= 8 and model.rng.random() < 0.5:
        return model.emit("batch_norm_train", x, gamma, beta, mean, var, eps=0.1, momentum=0.1)
    return model.emit("batch_norm", x, gamma, beta, mean, var, eps=1e-3)


def dropped(model: _Model, x: Value) -> Value:
    name = model.emit.graph.free_name(f"{model.emit.loc}.drawn")
    counter = model.emit.graph.add_state(name, np.zeros((), np.int32), i32(), Role.COUNTER)
    return model.emit("dropout", x, counter, rate=0.25, seed=model.integer(0, 99))


def softened(model: _Model, x: Value) -> Value:
    return model.emit(model.pick("softmax", "log_softmax"), x, axis=-1)


def combined(model: _Model, x: Value) -> Value:
    """With an earlier value of the same shape, or with itself; or with a parameter that is broadcast."""
    op = model.pick("add", "sub", "mul", "maximum", "minimum")
    same = [v for v in model.kept if v.type == x.type]
    if same and model.rng.random() < 0.8:
        return model.emit(op, x, same[model.integer(0, len(same) - 1)])
    shape = (1,) * (len(x.type.shape) - 1) + (model.integer(0, 1) * (x.type.shape[-1] - 1) + 1,)
    return model.emit(op, x, model.state("other", *shape, around=1.0, spread=0.2))


def pooled(model: _Model, x: Value) -> Value:
    kernel = (min(2, x.type.shape[1]), min(model.integer(1, 3), x.type.shape[2]))
    op = model.pick("max_pool2d", "avg_pool2d")
    attrs = {"kernel": kernel, "strides": _strides(model), "padding": tuple(k // 2 for k in (*kernel, *kernel))}
    more = {"count_include_pad": model.rng.random() < 0.5} if op == "avg_pool2d" else {}
    return model.emit(op, x, **attrs, **more)


def padded(model: _Model, x: Value) -> Value:
    sizes = [(model.integer(0, 1), model.integer(0, 1)) for _ in range(2)]
    before, after = ((0, *(s[k] for s in sizes), 0) for k in (0, 1))
    return model.emit("pad", x, before=before, after=after, value=0.0)


def resized(model: _Model, x: Value) -> Value:
    size = tuple(model.integer(2, 6) for _ in range(2))
    return model.emit("resize", x, size=size, mode=model.pick("nearest", "bilinear"), align_corners=False)


def rearranged(model: _Model, x: Value) -> Value:
    turned = model.emit("transpose", x, axes=(0, 2, 1, 3))
    n, h, w, c = turned.type.shape
    return model.emit("reshape", turned, shape=(n, w, h, c)) if model.rng.random() < 0.5 else turned


def divided(model: _Model, x: Value) -> Value:
    """Split along an axis; the parts put together again, or one of them alone."""
    axis = len(x.type.shape) - 1 if model.rng.random() < 0.6 else 1
    size = x.type.shape[axis]
    if size < 2:
        return scaled(model, x)
    cut = model.integer(1, size - 1)
    if model.rng.random() < 0.4:
        return model.emit("slice", x, axis=axis, begin=0, end=cut)
    first, second = model.emit.node("split", x, axis=axis, sizes=(cut, size - cut)).outputs
    return model.emit("concat", model.emit("tanh", second), first, axis=axis)


def picked(model: _Model, x: Value) -> Value:
    """Some indices of an axis, some of them twice; or all of them, backwards."""
    axis = model.integer(1, len(x.type.shape) - 1)
    if model.rng.random() < 0.5:
        return model.emit("flip", x, axis=(axis,))
    size, graph = x.type.shape[axis], model.emit.graph
    indices = model.rng.integers(-size, size, model.integer(1, 6)).astype(np.int32)
    state = graph.add_state(graph.free_name(f"{model.emit.loc}.indices"), indices, i32(*indices.shape), Role.BUFFER)
    return model.emit("gather", x, state, axis=axis)


def reduced(model: _Model, x: Value) -> Value:
    """Something of each image or row, given back to every element of it."""
    op, axis = model.pick("mean", "max", "min", "sum"), (len(x.type.shape) - 1,)
    part = model.emit(op, model.emit("tanh", x), axis=axis, keepdims=True)
    return model.emit("add", x, model.emit("broadcast_to", part, shape=x.type.shape))


def stepped(model: _Model, x: Value) -> Value:
    """Adds rounded constants, which carry no gradient; none is near the next integer."""
    levels = model.state("levels", x.type.shape[-1])
    state = model.emit.graph.states[-1]
    state.trainable = False
    state.init = (model.rng.integers(-2, 3, state.init.shape) + 0.25).astype(np.float32)
    whole = model.emit("cast", levels, dtype="int32")
    return model.emit("add", x, model.emit("cast", whole, dtype="float32"))


def flat(model: _Model, x: Value) -> Value:
    if model.rng.random() < 0.5:
        return model.emit(model.pick("mean", "sum", "max"), x, axis=(1, 2))
    return model.emit("reshape", x, shape=(x.type.shape[0], int(np.prod(x.type.shape[1:]))))


Block = Callable[[_Model, Value], Value]
COMMON: tuple[Block, ...] = (
    bias,
    activation,
    activation,
    curve,
    scaled,
    normalised,
    dropped,
    softened,
    combined,
    divided,
    picked,
    reduced,
    stepped,
)
IMAGE_BLOCKS: tuple[Block, ...] = (
    *COMMON,
    conv,
    conv,
    conv,
    depthwise,
    depthwise,
    pooled,
    padded,
    resized,
    rearranged,
    flat,
)
FLAT_BLOCKS: tuple[Block, ...] = (*COMMON, dense, dense, matmul)

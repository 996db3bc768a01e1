"""Random networks of int8 or int16 activations, with an update rule and a scheme; the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlet.ir.graph import Graph, Role, Value
from gradlet.ir.op_def import Emit, OpDef, OpSet
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType, QuantParams
from gradlet.optimizers.layers import find_layers
from gradlet.tests.random_int8_functions import FUNCTIONS_OF_ONE, INT8_FUNCTIONS
from gradlet.tests.random_int8_network import RandomNetwork, image, one_of, quant_of
from gradlet.tests.random_int8_pairs import INT8_PAIRS, PAIRS

UPDATES = (
    "sgd",
    "sgd{rounding=nearest}",
    "sgd{bound=0.5,seed=9}",
    "sgd{every=2,weight_decay=0.02}",
    "sgd{qas=false,rounding=nearest,bound=2.0}",
    "sgd{weights=float}",
    "sgd{weights=float,every=2,weight_decay=0.01}",
    "momentum{momentum=0.8,weight_decay=0.01}",
    "momentum{momentum=0.5,every=2}",
)
SCHEMES = (
    "full",
    "full",
    "full{ratio=0.5}",
    "full{ratio=0.4,criterion=random,seed=2}",
    "bias_only",
    "head_only",
    "last_2",
    "last_3{ratio=0.3,criterion=magnitude-}",
    "last_2{ratio=0.6,head=false}",
    "bias_last_2",
)
GRADIENTS = ("int8", "int8", "int8", "int16", "float32")
LEARNING_RATES = (0.01, 0.05, 0.3)
# Of the networks.
INT16_SHARE = 0.25


@dataclass(frozen=True)
class Int8Case:
    """A network and how to train it.

    Attributes:
        program: Its graph is the forward pass.
        options: Of the passes, for `optimize` and `parse_pipeline`.
        classes: Labels are below this.
        lr: The learning rate.
        seed: What it was drawn from; also that of its batches.
    """

    program: Program
    options: dict[str, dict[str, str]]
    classes: int
    lr: float
    seed: int

    @property
    def update(self) -> str:
        return self.options["differentiate"]["update"]

    @property
    def gradients(self) -> str:
        return self.options["quantize_gradients"]["dtype"]

    @property
    def has_integer_gradients(self) -> bool:
        return self.gradients != "float32"

    @property
    def draws(self) -> bool:
        """Whether int8 weights move by random steps, which depend on the place of a weight among the states."""
        return self.update.startswith("sgd") and "nearest" not in self.update and "float" not in self.update

    def batches(self, graph: Graph, steps: int) -> Iterator[dict[str, np.ndarray]]:
        """Inputs for some steps of a training step or an inference made of this network."""
        inputs = {v.name: v.type for v in graph.inputs}
        for step in range(steps):
            rng = np.random.default_rng([self.seed, step])
            x, labels = image(inputs["x"], rng), rng.integers(0, self.classes, inputs["x"].shape[0])
            batch = {"x": x, "label": labels.astype(np.int32), "lr": np.asarray(self.lr, np.float32)}
            yield {name: batch[name] for name in inputs}


def draw(seed: int, ops: OpSet) -> Int8Case:
    """The network of a seed."""
    rng = np.random.default_rng([8, seed])
    gradients, update, scheme = (one_of(rng, choices) for choices in (GRADIENTS, UPDATES, SCHEMES))
    # Drawn apart: networks of int8 are what they would be without others.
    bits = 16 if np.random.default_rng([7, seed]).random() < INT16_SHARE else 8
    net = RandomNetwork(rng, Emit(ops, Graph(f"int8_{seed}")), may_divide=scheme == "full", bits=bits)
    x = net.start()
    for k in range(int(rng.integers(1, 6))):
        net.emit.loc = f"block{k}"
        x = grow(net, x)
    classes = int(rng.integers(2, 8))
    prediction = finish(net, x, classes)
    graph = net.emit.graph
    graph.outputs = [prediction, *([x] if rng.random() < 0.2 else [])]
    graph.renumber()
    if not any(s.trainable for s in graph.states):
        next(s for s in graph.states if s.role is Role.PARAMETER).trainable = True
    scheme = scheme if find_layers(graph)[0] else "full"
    options = {
        "sparse_update": {"scheme": scheme},
        "differentiate": {"update": update},
        "quantize_gradients": {"dtype": gradients},
    }
    # So large that weights saturate.
    loud = gradients != "float32" and rng.random() < 0.1
    return Int8Case(Program(graph), options, classes, 100.0 if loud else float(one_of(rng, LEARNING_RATES)), seed)


def quantized_ops(ops: OpSet, *dtypes: DType) -> frozenset[str]:
    """Forward ops that read or make quantised tensors of these types, as their examples show."""

    def has(op: OpDef) -> bool:
        types = (t for e in op.examples for t in (*e.types, *op.infer(e.types, e.attrs)))
        return any(t.quant and t.dtype in dtypes for t in types)

    return frozenset(op.name for op in ops if op.gradient and has(op))


def grow(net: RandomNetwork, x: Value) -> Value:
    """One more block; sometimes its input is kept for a later sum."""
    if net.chance(0.4):
        net.kept.append(x)
    blocks = IMAGE_BLOCKS if len(x.type.shape) == 4 else FLAT_BLOCKS
    return one_of(net.rng, [b for b in blocks if net.bits == 8 or b not in INT8_ONLY])(net, x)


def finish(net: RandomNetwork, x: Value, classes: int) -> Value:
    """Float logits."""
    net.emit.loc = "end"
    x = flat(net, x) if len(x.type.shape) == 4 else x
    if net.chance(0.3):
        return net.floats(qdense(net, x, classes))
    y = net.floats(x)
    if net.chance(0.2):
        net.emit.loc = "hidden"
        y = net.op("relu", net.float_dense(y, net.integer(2, 9)))
    net.emit.loc = "head"
    return net.float_dense(y, classes)


def _window(net: RandomNetwork, x: Value, largest: int) -> tuple[tuple[int, int], dict[str, Any]]:
    """A kernel, and strides, uneven padding and dilation that suit it."""
    _, height, width, _ = x.type.shape
    kernel = (net.integer(1, min(largest, height)), net.integer(1, min(largest, width)))
    padding = tuple(net.integer(0, k - 1) for k in (*kernel, *kernel))
    if net.chance(0.5):
        padding = tuple(k // 2 for k in (*kernel, *kernel))
    room = zip(kernel, (height, width), strict=True)
    dilation = tuple(2 if 2 * k - 1 <= n and net.chance(0.3) else 1 for k, n in room)
    strides = (1, 1) if net.chance(0.5) else (net.integer(1, 2), net.integer(1, 2))
    return kernel, {"strides": strides, "padding": padding, "dilation": dilation}


def conv(net: RandomNetwork, x: Value) -> Value:
    kernel, window = _window(net, x, 5 if net.chance(0.2) else 3)
    channels = x.type.shape[3]
    dividers = [n for n in range(2, channels + 1) if channels % n == 0]
    groups = one_of(net.rng, dividers) if dividers and net.chance(0.3) else 1
    out = groups * net.integer(1, max(1, 9 // groups))
    attrs = window | ({"groups": groups} if groups > 1 else {})
    return net.linear("qconv2d", x, (out, *kernel, channels // groups), 0, 3, **attrs)


def pointwise(net: RandomNetwork, x: Value) -> Value:
    strides = (1, 1) if net.chance(0.8) else (2, 1)
    window = {"strides": strides, "padding": (0, 0, 0, 0)}
    return net.linear("qconv2d", x, (net.integer(1, 20), 1, 1, x.type.shape[3]), 0, 3, **window)


def depthwise(net: RandomNetwork, x: Value) -> Value:
    kernel, window = _window(net, x, 5)
    multiplier = 2 if net.chance(0.5) else 1
    return net.linear("qdepthwise_conv2d", x, (*kernel, multiplier * x.type.shape[3]), 2, 2, **window)


def residual(net: RandomNetwork, x: Value) -> Value:
    """A block round which its input goes to a sum."""
    channels, same = x.type.shape[3], {"strides": (1, 1), "padding": (1, 1, 1, 1)}
    y = net.linear("qdepthwise_conv2d", x, (3, 3, channels), 2, 2, **same) if net.chance(0.6) else x
    y = net.linear("qconv2d", y, (channels, 1, 1, channels), 0, 3, strides=(1, 1), padding=(0, 0, 0, 0))
    return _sum(net, x, y)


def repeated(net: RandomNetwork, x: Value) -> Value:
    """Twice the same weights."""
    channels = x.type.shape[3]
    weight, scales = net.weight((channels, 1, 1, channels), 0)
    w = net.state("weight", weight, QuantParams(tuple(scales.tolist()), (0,) * channels, 0))
    for _ in range(2):
        x = net.applied("qconv2d", x, [w], scales, strides=(1, 1), padding=(0, 0, 0, 0))
    return x


def added(net: RandomNetwork, x: Value) -> Value:
    """To an earlier value of the same shape, or to itself."""
    same = [v for v in net.kept if v.type.shape == x.type.shape]
    return _sum(net, x, one_of(net.rng, same) if same else x)


def _sum(net: RandomNetwork, a: Value, b: Value) -> Value:
    return net.pair("qadd", a, b, net.real(a) + net.real(b))


def requantized(net: RandomNetwork, x: Value) -> Value:
    attrs = {"x_scale": quant_of(x).scale[0], "x_zero": quant_of(x).zero_point[0], **net.range_of(net.real(x))}
    return net.op("requantize", x, **attrs, rounding=net.rounding)


def pooled(net: RandomNetwork, x: Value) -> Value:
    kernel = (min(2, x.type.shape[1]), min(net.integer(1, 3), x.type.shape[2]))
    strides, padding = (net.integer(1, 2), net.integer(1, 2)), tuple(k // 2 for k in (*kernel, *kernel))
    return net.op("qavg_pool2d", x, kernel=kernel, strides=strides, padding=padding, rounding=net.rounding)


def divided(net: RandomNetwork, x: Value) -> Value:
    """Some channels alone, or all of them in another order."""
    axis, size = len(x.type.shape) - 1, x.type.shape[-1]
    if size < 2:
        return requantized(net, x)
    cut = net.integer(1, size - 1)
    first = net.op("slice", x, axis=axis, begin=0, end=cut)
    if net.chance(0.4):
        return first
    return net.op("concat", net.op("slice", x, axis=axis, begin=cut, end=size), first, axis=axis)


def turned(net: RandomNetwork, x: Value) -> Value:
    return net.op("transpose", x, axes=(0, 2, 1, 3))


def qdense(net: RandomNetwork, x: Value, size: int = 0) -> Value:
    return net.linear("qdense", x, (size or net.integer(2, 17), x.type.shape[1]), 0, 1)


def flat(net: RandomNetwork, x: Value) -> Value:
    batch, height, width, channels = x.type.shape
    if net.chance(0.6):
        window = {"kernel": (height, width), "strides": (1, 1), "padding": (0, 0, 0, 0)}
        x, height, width = net.op("qavg_pool2d", x, **window, rounding=net.rounding), 1, 1
    return net.op("reshape", x, shape=(batch, height * width * channels))


Block = Callable[[RandomNetwork, Value], Value]
IMAGE_BLOCKS: tuple[Block, ...] = (
    conv,
    conv,
    conv,
    pointwise,
    pointwise,
    depthwise,
    depthwise,
    residual,
    residual,
    repeated,
    added,
    requantized,
    pooled,
    divided,
    turned,
    flat,
    *FUNCTIONS_OF_ONE,
    *PAIRS,
)
INT8_ONLY = (*INT8_FUNCTIONS, *INT8_PAIRS)
FLAT_BLOCKS: tuple[Block, ...] = (
    qdense,
    qdense,
    qdense,
    qdense,
    qdense,
    qdense,
    qdense,
    added,
    requantized,
    divided,
    *FUNCTIONS_OF_ONE,
    *PAIRS,
)

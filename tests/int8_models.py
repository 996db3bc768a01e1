"""Small int8 networks built by hand: seeded weights, scales calibrated on seeded images, clamps that do clamp."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gradlet.ir.graph import Graph, Role, Value
from gradlet.ir.op_def import Emit
from gradlet.ir.requantize import quantize_multipliers
from gradlet.ir.tensor_type import DType, QuantParams, TensorType, f32, i32
from gradlet.tests.small_models import TOOLS

INPUT = QuantParams((1 / 40,), (3,))
# How much of the calibrated values the range of an activation holds: the rest is clamped.
_KEPT = 0.97
_FAR = 1e9  # stands for an output scale that clamps nothing


class Int8Builder:
    """A graph with an int8 input `x`; weights, biases and the float head learn.

    Attributes:
        samples: Content of each value for the images that the scales are calibrated on.
    """

    def __init__(self, name: str, *shape: int, seed: int = 0, rounding: str = "float", dead: int = 0):
        """Starts with the input.

        Args:
            name: Of the graph.
            shape: NHWC.
            seed: Of the weights and of the images.
            rounding: As the ops have it.
            dead: How many output channels of each weight have scale 0.
        """
        self.graph = Graph(name)
        self.x = self.graph.add_input("x", TensorType(DType.I8, shape, INPUT))
        self.emit = Emit(TOOLS.ops, self.graph)
        self.rng = np.random.default_rng(seed)
        self.rounding, self.dead = rounding, dead
        self.samples: dict[Value, np.ndarray] = {self.x: images(self.x.type, seed)}

    def conv(
        self, x: Value, size: int, kernel: int = 1, stride: int = 1, *, relu: bool = False, parts: tuple[int, ...] = ()
    ) -> Value:
        """A convolution that keeps the size for stride 1; `parts` are the input channels of each part of the weight."""
        channels = x.type.shape[-1]
        return self._linear("qconv2d", x, (size, kernel, kernel, channels), 0, 3, _window(kernel, stride), relu, parts)

    def depthwise(
        self, x: Value, kernel: int = 3, stride: int = 1, *, relu: bool = True, parts: tuple[int, ...] = ()
    ) -> Value:
        shape = (kernel, kernel, x.type.shape[-1])
        return self._linear("qdepthwise_conv2d", x, shape, 2, 2, _window(kernel, stride), relu, parts)

    def dense(self, x: Value, size: int, *, relu: bool = False, parts: tuple[int, ...] = ()) -> Value:
        return self._linear("qdense", x, (size, x.type.shape[-1]), 0, 1, {}, relu, parts)

    def add(self, a: Value, b: Value) -> Value:
        return self._pair("qadd", a, b, self._real(a) + self._real(b))

    def multiply(self, a: Value, b: Value) -> Value:
        return self._pair("qmul", a, b, self._real(a) * self._real(b))

    def mean(self, x: Value) -> Value:
        """Of each channel, [N, 1, 1, C]."""
        assert x.type.quant
        attrs = self._attrs() | {"axis": (1, 2), "keepdims": True}
        attrs |= {"x_scale": x.type.quant.scale[0], "x_zero": x.type.quant.zero_point[0]}
        real = self._real(x).mean(axis=(1, 2), keepdims=True)
        return self._emit("qmean", [x], attrs | _range_of(real, relu=False))

    def _pair(self, op: str, a: Value, b: Value, real: np.ndarray) -> Value:
        attrs = self._attrs()
        for name, value in (("x1", a), ("x2", b)):
            assert value.type.quant
            attrs |= {f"{name}_scale": value.type.quant.scale[0], f"{name}_zero": value.type.quant.zero_point[0]}
        return self._emit(op, [a, b], attrs | _range_of(real, relu=False))

    def quantize(self, x: Value, scale: float, zero_point: int) -> Value:
        """Of floats, of which there is no sample yet: images stand for it."""
        y = self.emit("quantize", x, scale=scale, zero_point=zero_point)
        self.samples[y] = images(y.type, 1)
        return y

    def requantize(self, x: Value, scale: float, zero_point: int) -> Value:
        assert x.type.quant
        attrs = {"x_scale": x.type.quant.scale[0], "x_zero": x.type.quant.zero_point[0]}
        return self._emit("requantize", [x], self._attrs() | attrs | {"y_scale": scale, "y_zero": zero_point})

    def moved(self, op: str, x: Value, *others: Value, **attrs: Any) -> Value:
        """An op that keeps scale and zero point."""
        return self._emit(op, [x, *others], attrs)

    def pool(self, x: Value) -> Value:
        """The mean of each channel, [N, C]."""
        size = x.type.shape[1:3]
        attrs = {"kernel": size, "strides": (1, 1), "padding": (0, 0, 0, 0)}
        y = self._emit("qavg_pool2d", [x], self._attrs() | attrs)
        return self._emit("reshape", [y], {"shape": (x.type.shape[0], x.type.shape[3])})

    def head(self, x: Value, classes: int) -> Value:
        """A float classifier of an int8 [N, C]."""
        assert x.type.quant
        scale, zero_point = x.type.quant.scale[0], x.type.quant.zero_point[0]
        y = self.emit("dequantize", x, scale=scale, zero_point=zero_point)
        w = self.rng.normal(0, np.sqrt(1 / x.type.shape[1]), (classes, x.type.shape[1]))
        y = self.emit("dense", y, self._float("weight", w))
        return self.emit("bias_add", y, self._float("bias", self.rng.normal(0, 0.1, classes)))

    def done(self, *outputs: Value) -> Graph:
        self.graph.outputs = list(outputs)
        return self.graph

    def _linear(
        self,
        op: str,
        x: Value,
        shape: tuple[int, ...],
        out: int,
        inp: int,
        window: dict[str, Any],
        relu: bool,
        parts: tuple[int, ...],
    ) -> Value:
        assert x.type.quant
        (x_scale,), (x_zero,) = x.type.quant.scale, x.type.quant.zero_point
        real = self.rng.normal(0, np.sqrt(2.5 * shape[out] / np.prod(shape)), shape)
        others = tuple(a for a in range(len(shape)) if a != out)
        scales = np.abs(real).max(axis=others) / 127
        along = tuple(-1 if a == out else 1 for a in range(len(shape)))
        weight = np.rint(real / scales.reshape(along)).astype(np.int8)
        scales[: self.dead] = 0
        unit = x_scale * scales
        bias = np.rint(self.rng.normal(0, 0.1, shape[out]) / np.where(unit > 0, unit, 1)).astype(np.int32)
        weights = self._parts(weight, scales, parts, out, inp)
        b = self._state("bias", bias, QuantParams(tuple(unit.tolist()), (0,) * shape[out], 0))
        attrs = {**self._attrs(), **window, "x_zero": x_zero, **({"parts": len(weights)} if len(weights) > 1 else {})}
        y = self._calibrated(op, [x, *weights, b], attrs, unit, relu)
        e = unit / y["y_scale"]
        operands = [x, *weights, b, self._constant("scale", e.astype(np.float32))]
        if self.rounding != "float":
            operands.append(self._constant("multiplier", quantize_multipliers(e.tolist())))
        return self._emit(op, operands, attrs | y)

    def _calibrated(
        self, op: str, operands: list[Value], attrs: dict[str, Any], unit: np.ndarray, relu: bool
    ) -> dict[str, Any]:
        """The quantisation of the output: its range in the calibration images, a little of it cut off."""
        arrays = [self.samples[operands[0]].astype(np.float64), *(self._init(v) for v in operands[1:])]
        free = {**attrs, "rounding": "float", "y_zero": 0, "y_scale": _FAR}
        (sums, *_) = TOOLS.ops[op].evaluate([*arrays, np.full(len(unit), 1e-9)], free)
        return _range_of(sums * 1e9 * unit, relu=relu)

    def _parts(self, weight: np.ndarray, scales: np.ndarray, parts: tuple[int, ...], out: int, inp: int) -> list[Value]:
        ends = np.cumsum(parts or (weight.shape[inp],)).tolist()
        assert ends[-1] == weight.shape[inp]
        made, begin = [], 0
        for k, end in enumerate(ends):
            part = np.ascontiguousarray(weight.take(range(begin, end), inp))
            kept = scales[begin:end] if out == inp else scales
            quant = QuantParams(tuple(kept.tolist()), (0,) * len(kept), out)
            made.append(self._state(f"weight_{k}" if parts else "weight", part, quant))
            begin = end
        return made

    def _attrs(self) -> dict[str, Any]:
        return {} if self.rounding == "float" else {"rounding": self.rounding}

    def _emit(self, op: str, operands: list[Value], attrs: dict[str, Any]) -> Value:
        y = self.emit(op, *operands, **attrs)
        (self.samples[y],) = TOOLS.ops[op].evaluate([self._init(v) for v in operands], attrs)
        return y

    def _init(self, value: Value) -> np.ndarray:
        state = self.graph.state_of(value)
        return state.init if state else self.samples[value]

    def _real(self, value: Value) -> np.ndarray:
        assert value.type.quant
        real: np.ndarray = value.type.quant.scale[0] * (
            self.samples[value].astype(np.float64) - value.type.quant.zero_point[0]
        )
        return real

    def _state(self, name: str, init: np.ndarray, quant: QuantParams) -> Value:
        type_ = TensorType(DType(init.dtype.name), init.shape, quant)
        return self.graph.add_state(self._named(name), init, type_, trainable=True)

    def _float(self, name: str, init: np.ndarray) -> Value:
        return self.graph.add_state(self._named(name), init.astype(np.float32), f32(*init.shape), trainable=True)

    def _constant(self, name: str, init: np.ndarray) -> Value:
        return self.graph.add_state(
            self._named(name), init, TensorType(DType(init.dtype.name), init.shape), Role.BUFFER
        )

    def _named(self, name: str) -> str:
        return f"{self.emit.loc}.{name}" if self.emit.loc else name


def _window(kernel: int, stride: int) -> dict[str, Any]:
    return {"strides": (stride, stride), "padding": (kernel // 2,) * 4}


def _range_of(real: np.ndarray, *, relu: bool) -> dict[str, Any]:
    """y_scale and y_zero for values of this distribution."""
    low, high = (0.0, float(np.quantile(real, _KEPT))) if relu else map(float, np.quantile(real, [1 - _KEPT, _KEPT]))
    low, high = min(low, 0.0), max(high, 1e-3)
    scale = (high - low) / 255
    return {"y_scale": scale, "y_zero": int(np.clip(round(-128 - low / scale), -128, 127))}


def inverted_residuals(
    batch: int = 2, classes: int = 5, size: int = 8, *, seed: int = 0, rounding: str = "float", dead: int = 0
) -> Graph:
    """A first convolution, a block that halves, two residual blocks on end, global pooling and a float head."""
    b = Int8Builder("int8_net", batch, size, size, 3, seed=seed, rounding=rounding, dead=dead)
    b.emit.loc = "first"
    x = b.conv(b.x, 4, 3, relu=True)
    for k, (width, stride) in enumerate(((6, 2), (6, 1), (6, 1))):
        block, entry = f"blocks.{k}", x
        b.emit.loc = f"{block}.expand"
        x = b.conv(x, 12, relu=True)
        b.emit.loc = f"{block}.depthwise"
        x = b.depthwise(x, 5 if k == 1 else 3, stride)
        b.emit.loc = f"{block}.project"
        x = b.conv(x, width)
        b.emit.loc = block
        x = b.add(x, entry) if stride == 1 else x
    b.emit.loc = "pool"
    x = b.pool(x)
    b.emit.loc = "head"
    return b.done(b.head(x, classes))


def residual_stage(*, rounding: str = "float", float_head: bool = True) -> Graph:
    """Three blocks that read channels which residuals tie together, the last of which makes those of the head alone."""
    b = Int8Builder("stage", 1, 6, 6, 3, seed=2, rounding=rounding)
    b.emit.loc = "first"
    x = b.conv(b.x, 10, 3, relu=True)
    for k, (width, expanded) in enumerate(((10, 14), (10, 14), (8, 12))):
        block, entry = f"blocks.{k}", x
        b.emit.loc = f"{block}.expand"
        x = b.conv(x, expanded, relu=True)
        b.emit.loc = f"{block}.depthwise"
        x = b.depthwise(x)
        b.emit.loc = f"{block}.project"
        x = b.conv(x, width)
        b.emit.loc = block
        x = b.add(x, entry) if width == 10 else x
    b.emit.loc = "head"
    x = b.pool(x)
    return b.done(b.head(x, 5) if float_head else b.dense(x, 5))


def wired(batch: int = 2) -> Graph:
    """Values with three users, a value added to itself, a requantisation, and an average over windows."""
    b = Int8Builder("wired", batch, 8, 8, 3)
    b.emit.loc = "first"
    x = b.conv(b.x, 6, 3, relu=True)
    b.emit.loc = "left"
    left = b.conv(x, 6)
    b.emit.loc = "right"
    right = b.depthwise(x)
    b.emit.loc = "sums"
    y = b.add(b.add(left, right), x)
    y = b.add(y, y)
    assert y.type.quant
    scale, zero = y.type.quant.scale[0], y.type.quant.zero_point[0]
    y = b.requantize(y, scale * 0.8, zero + 3)
    b.emit.loc = "last"
    y = b.conv(y, 5, 3, 2)
    b.emit.loc = "pool"
    y = b.pool(y)
    b.emit.loc = "hidden"
    y = b.dense(y, 7, relu=True)
    b.emit.loc = "head"
    return b.done(b.head(y, 5))


def excited(batch: int = 2, rounding: str = "float") -> Graph:
    """Squeeze and excite: channels times a function of their means, and means added to pixels."""
    b = Int8Builder("excited", batch, 7, 6, 3, rounding=rounding)
    b.emit.loc = "first"
    x = b.conv(b.x, 8, 3, relu=True)
    for k in range(2):
        b.emit.loc = f"blocks.{k}.squeeze"
        gate = b.conv(b.mean(x), 5, relu=True)
        b.emit.loc = f"blocks.{k}.excite"
        x = b.multiply(x, b.conv(gate, 8))
        b.emit.loc = f"blocks.{k}.spread"
        x = b.add(x, b.conv(b.mean(x), 8))
        b.emit.loc = f"blocks.{k}.project"
        x = b.conv(x, 8)
    b.emit.loc = "head"
    return b.done(b.head(b.pool(x), 5))


def hourglass() -> Graph:
    """Ops that change the size of images: maxima of windows, pixels spread apart, both ways to resize, padding."""
    b = Int8Builder("hourglass", 2, 13, 10, 3)
    b.emit.loc = "first"
    x = b.conv(b.x, 8, 3, relu=True)
    b.emit.loc = "down"
    zero = {"value": float(_zero(x))}
    x = b.moved("pad", x, before=(0, 1, 1, 0), after=(0, 0, 1, 0), **zero)
    x = b.conv(b.moved("max_pool2d", x, kernel=(3, 2), strides=(2, 2), padding=(1, 0, 0, 1)), 12, 1, relu=True)
    b.emit.loc = "up"
    n, h, w, c = x.type.shape
    points = b.moved("reshape", x, shape=(n, h, 1, w, 1, c))
    points = b.moved("pad", points, before=(0,) * 6, after=(0, 0, 1, 0, 1, 0), value=float(_zero(x)))
    x = b.conv(b.moved("reshape", points, shape=(n, 2 * h, 2 * w, c)), 6, 3)
    b.emit.loc = "around"
    order = np.array([2, 1, *range(w * 2), w * 2 - 2], np.int32)
    indices = b.graph.add_state("around.indices", order, i32(len(order)), Role.BUFFER)
    x = b.conv(b.moved("gather", x, indices, axis=2), 6, 3, relu=True)
    b.emit.loc = "resized"
    x = b.moved("resize", x, size=(11, 9), mode="bilinear")
    x = b.depthwise(b.moved("resize", x, size=(7, 12), mode="nearest"))
    b.emit.loc = "head"
    return b.done(b.head(b.pool(x), 5))


def _zero(value: Value) -> int:
    assert value.type.quant
    return value.type.quant.zero_point[0]


def images(type_: TensorType, seed: int) -> np.ndarray:
    """Random int8 images: smooth enough that neighbours are alike."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 60, type_.shape)
    smooth = noise + np.roll(noise, 1, 1) + np.roll(noise, 1, 2)
    return np.clip(np.rint(smooth / 1.7 + 3), -128, 127).astype(np.int8)


def int8_batches(graph: Graph, steps: int = 5, lr: float = 0.01, classes: int = 5) -> Iterator[dict[str, np.ndarray]]:
    """Inputs for a graph of this module, made a training step or not."""
    rng = np.random.default_rng(11)
    for k in range(steps):
        batch = {v.name: images(v.type, 100 + k) for v in graph.inputs if v.name == "x"}
        for value in graph.inputs:
            if value.name == "label":
                batch["label"] = rng.integers(0, classes, value.type.shape).astype(np.int32)
            if value.name == "lr":
                batch["lr"] = np.asarray(lr, np.float32)
        yield batch

"""What random int8 networks are made of: layers with seeded weights, whose results use the range of their type."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from gradlet.ir.graph import Role, Value
from gradlet.ir.op_def import Emit
from gradlet.ir.requantize import DTYPES, ROUNDINGS, quantize_multipliers
from gradlet.ir.tensor_type import DType, QuantParams, TensorType, f32

_UNCLAMPED = 1e-9  # a scale with which no sum is clamped


class RandomNetwork:
    """A graph that grows.

    Attributes:
        bits: Of activations: 8 or 16.
        rounding: Of all ops.
        kept: Values for later sums.
        samples: What every value is for one random batch.
    """

    def __init__(self, rng: np.random.Generator, emit: Emit, *, may_divide: bool, bits: int = 8):
        self.rng, self.emit, self.may_divide, self.bits = rng, emit, may_divide, bits
        rounding: str = one_of(rng, ROUNDINGS)
        self.rounding = rounding if bits == 8 else "float"
        self.kept: list[Value] = []
        self.samples: dict[Value, np.ndarray] = {}

    def integer(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def start(self) -> Value:
        """The input: integers, or floats that learn to be moved before they are quantised."""
        shape = (self.integer(1, 3), self.integer(3, 9), self.integer(3, 9), self.integer(1, 9))
        if self.chance(0.7):
            quant = self.quant(float(self.rng.uniform(0.01, 0.05)), self.integer(-128, 127))
            return self._sampled(self.emit.graph.add_input("x", TensorType(DTYPES[self.bits], shape, quant)))
        x = self._sampled(self.emit.graph.add_input("x", f32(*shape)))
        self.emit.loc = "quantize"
        if self.chance(0.5):
            x = self.op("add", x, self.state("shift", self.rng.normal(0, 0.1, shape)))
        quant = self.quant(0.02, self.integer(-20, 20))
        attrs = {"scale": quant.scale[0], "zero_point": quant.zero_point[0], **self._width()}
        return self.op("quantize", x, **attrs, rounding=self.rounding)

    def op(self, name: str, *operands: Value, **attrs: Any) -> Value:
        """Emits a node with one result, and computes the sample of that."""
        y = self.emit(name, *operands, **attrs)
        (self.samples[y],) = self.emit.ops[name].evaluate([self._content(v) for v in operands], attrs)
        return y

    def quant(self, scale: float, zero: int) -> QuantParams:
        """What activations stand for, from the scale and zero point that int8 would have."""
        return QuantParams((scale,), (zero,)) if self.bits == 8 else QuantParams((scale / 256,), (0,))

    def _width(self) -> dict[str, int]:
        """The attribute `bits`, where it is not the usual one."""
        return {} if self.bits == 8 else {"bits": self.bits}

    def range_of(self, real: np.ndarray) -> dict[str, Any]:
        """Attributes of results of this distribution, most of the time without much clamping."""
        keep = float(self.rng.uniform(0.9, 1))
        low = 0.0 if self.chance(0.5) else float(np.quantile(real, 1 - keep))
        high = float(np.quantile(real, keep))
        low, high = min(low, 0.0), max(high, 1e-3)
        factor = one_of(self.rng, (0.05, 20.0)) if self.chance(0.08) else 1.0
        if self.bits == 16:
            limits = {"y_min": 0, "y_max": one_of(self.rng, (2**15 - 1, 30000))} if low == 0 else {}
            return {"y_scale": factor * max(high, -low) / (2**15 - 1), "y_zero": 0, **limits, **self._width()}
        scale = factor * (high - low) / 255
        return {"y_scale": scale, "y_zero": int(np.clip(round(-128 - low / scale), -128, 127))}

    def linear(self, op: str, x: Value, shape: tuple[int, ...], out: int, inp: int, **attrs: Any) -> Value:
        """An op with weights of this shape; `out` and `inp` are the axes of its channels."""
        weight, scales = self.weight(shape, out)
        quant = QuantParams(tuple(scales.tolist()), (0,) * len(scales), out)
        count = 2 if self.may_divide and shape[inp] > 1 and self.chance(0.15) else 1
        ends = [0, *([self.integer(1, shape[inp] - 1)] if count > 1 else []), shape[inp]]
        weights = []
        for begin, end in pairwise(ends):
            part = QuantParams(quant.scale[begin:end], (0,) * (end - begin), out) if inp == out else quant
            weights.append(self.state("weight", weight.take(range(begin, end), inp), part))
        return self.applied(op, x, weights, scales, **attrs)

    def applied(self, op: str, x: Value, weights: list[Value], scales: np.ndarray, **attrs: Any) -> Value:
        """An op with a bias of its own, whose results use the range of their type."""
        (x_scale,), (x_zero,) = quant_of(x).scale, quant_of(x).zero_point
        unit = x_scale * scales
        shift = np.rint(self.rng.normal(0, 0.2, len(unit)) / np.where(unit > 0, unit, 1e-3))
        shift = np.clip(shift, 1 - 2**31, 2**31 - 1)
        if self.chance(0.2):
            shift[:1] = (2**31 - 1) * (-1) ** self.integer(0, 1)
        bias = self.state("bias", shift.astype(np.int32), QuantParams(tuple(unit.tolist()), (0,) * len(unit), 0))
        attrs |= {"x_zero": x_zero, **({"parts": len(weights)} if len(weights) > 1 else {})}
        content = [self._content(v) for v in (x, *weights, bias)]
        content[0] = content[0].astype(np.float64)
        free = {**attrs, "y_scale": 1.0, "y_zero": 0}
        (sums,) = self.emit.ops[op].evaluate([*content, np.full(len(unit), _UNCLAMPED)], free)
        y = self.range_of(sums / _UNCLAMPED * unit)
        e = unit / y["y_scale"]
        constants = [self._constant("scale", e.astype(np.float32))]
        if self.rounding != "float":
            constants.append(self._constant("multiplier", quantize_multipliers(e.tolist())))
        return self.op(op, x, *weights, bias, *constants, **attrs, **y, rounding=self.rounding)

    def real(self, x: Value) -> np.ndarray:
        """What the sample of a quantised value stands for."""
        real: np.ndarray = quant_of(x).scale[0] * (self._content(x).astype(np.float64) - quant_of(x).zero_point[0])
        return real

    def weight(self, shape: tuple[int, ...], out: int) -> tuple[np.ndarray, np.ndarray]:
        """Integers that use the range of int8 in every channel, and their scales; sometimes channels are constant."""
        real = self.rng.normal(0, np.sqrt(2 * shape[out] / np.prod(shape)), shape)
        scales = np.abs(real).max(axis=tuple(a for a in range(len(shape)) if a != out)) / 127
        weight = np.rint(real / scales.reshape([-1 if a == out else 1 for a in range(len(shape))])).astype(np.int8)
        if self.chance(0.25):
            scales[: self.integer(1, 2)] = 0
        return weight, scales

    def floats(self, x: Value) -> Value:
        quant = quant_of(x)
        return self.op("dequantize", x, scale=quant.scale[0], zero_point=quant.zero_point[0], **self._width())

    def float_dense(self, x: Value, size: int) -> Value:
        weight = self.state("weight", self.rng.normal(0, np.sqrt(1 / x.type.shape[1]), (size, x.type.shape[1])))
        self.emit.graph.states[-1].trainable = True
        y = self.op("dense", x, weight)
        return self.op("bias_add", y, self.state("bias", self.rng.normal(0, 0.1, size))) if self.chance(0.8) else y

    def state(self, name: str, init: np.ndarray, quant: QuantParams | None = None) -> Value:
        """A parameter, which learns more often than not; floats unless it is quantised."""
        init = np.ascontiguousarray(init if quant else init.astype(np.float32))
        type_ = TensorType(DType(init.dtype.name), init.shape, quant)
        return self.emit.graph.add_state(self._named(name), init, type_, trainable=self.chance(0.85))

    def constant(self, shape: tuple[int, ...], quant: QuantParams) -> Value:
        """Integers from all of the range of activations."""
        dtype, end = DTYPES[self.bits], 2 ** (self.bits - 1)
        init = self.rng.integers(-end, end, shape).astype(dtype.numpy)
        type_ = TensorType(dtype, shape, quant)
        return self.emit.graph.add_state(self._named("constant"), init, type_, Role.BUFFER)

    def pair(self, op: str, a: Value, b: Value, real: np.ndarray, **attrs: Any) -> Value:
        """An op on two quantised tensors, whose exact result is `real`."""
        for name, value in (("x1", a), ("x2", b)):
            attrs |= {f"{name}_scale": quant_of(value).scale[0], f"{name}_zero": quant_of(value).zero_point[0]}
        return self.op(op, a, b, **attrs, **self.range_of(real), rounding=self.rounding)

    def _constant(self, name: str, init: np.ndarray) -> Value:
        return self.emit.graph.add_state(
            self._named(name), init, TensorType(DType(init.dtype.name), init.shape), Role.BUFFER
        )

    def _named(self, name: str) -> str:
        return self.emit.graph.free_name(f"{self.emit.loc}.{name}")

    def _content(self, value: Value) -> np.ndarray:
        state = self.emit.graph.state_of(value)
        return state.init if state else self.samples[value]

    def _sampled(self, x: Value) -> Value:
        self.samples[x] = image(x.type, self.rng)
        return x


def quant_of(x: Value) -> QuantParams:
    assert x.type.quant
    return x.type.quant


def one_of(rng: np.random.Generator, choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def image(type_: TensorType, rng: np.random.Generator) -> np.ndarray:
    normal = rng.normal(size=type_.shape)
    if type_.dtype is DType.F32:
        return normal.astype(np.float32)
    end = 2 ** (type_.dtype.bits - 1)
    return np.clip(np.rint(60 / 128 * end * normal), -end, end - 1).astype(type_.dtype.numpy)

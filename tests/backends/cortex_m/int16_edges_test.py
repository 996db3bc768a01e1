"""Ops on int16 on host and device: every example, all values of a lookup, and the ends of the range in sums."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from gradlet.backends.tinyengine import BACKEND
from gradlet.ir.gradient_epilogue import RANGE
from gradlet.ir.op_def import Example, OpDef
from gradlet.ir.program import Program
from gradlet.ir.quantized_samples import i8, i16
from gradlet.ir.target import Memory, Target
from gradlet.ir.tensor_type import DType, TensorType, f32
from gradlet.targets.stm32f746 import TARGET as STM32F746
from gradlet.targets.x86_64 import TARGET as HOST
from gradlet.tests.ops.bench import Bench
from gradlet.tests.ops.cases import OPS, TOOLBOX

# With room for all examples of an op at once.
M7 = replace(STM32F746, sram=Memory(STM32F746.sram.base, 16 << 20), flash=Memory(STM32F746.flash.base, 8 << 20))
LOWEST, HIGHEST = -(2**15), 2**15 - 1
WINDOW = {"kernel": (3, 2), "strides": (2, 1), "padding": (1, 0, 1, 1)}
PAIR = {"bits": 16, "x1_scale": 0.1, "x1_zero": 0, "x2_scale": 0.1, "x2_zero": 0, "y_zero": 0, "mask": True}


def ends(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Integers at the ends of their range and at zero; gradients in floats that are whole numbers."""
    return [drawn(t, rng) for t in types]


def drawn(t: TensorType, rng: np.random.Generator) -> np.ndarray:
    if t == RANGE:
        return np.array([0, 0.5], np.float32)
    if t.dtype is DType.F32:
        return rng.integers(-4, 5, t.shape).astype(np.float32)
    limits = np.iinfo(t.dtype.value)
    return rng.choice([limits.min, limits.max, -1, 0], t.shape, p=[0.4, 0.4, 0.1, 0.1]).astype(t.dtype.numpy)


def all_values(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    return [np.arange(LOWEST, HIGHEST + 1).astype(np.int16)]


def qlookup() -> Iterator[Example]:
    attrs = [e.attrs for e in TOOLBOX.ops["qlookup"].examples if e.attrs.get("bits") == 16]
    assert attrs
    yield from (Example([i16(2**16)], a, all_values) for a in attrs)


def qmatmul() -> Iterator[Example]:
    for depth, columns, transposed in product((1, 3, 513), (1, 4, 7), (False, True)):
        b = i16(columns, depth) if transposed else i16(depth, columns)
        more = {"transpose_b": transposed, "y_scale": depth * 300.0, "y_min": -20_000}
        yield Example([i16(2, 3, depth), b], PAIR | more, ends)


def qmatmul_input_grad() -> Iterator[Example]:
    for g in (i8(3, 513), i16(3, 513)):
        attrs = {"zero_point": 0, "of": 0, "shape": (3, 9)}
        yield Example([g, RANGE, i16(9, 513)], attrs, ends)
        yield Example([g, RANGE, i16(9, 513), RANGE], attrs | {"dtype": "int16"}, ends)


def qmul_input_grad() -> Iterator[Example]:
    for g, shape in product((i8(2, 50, 9), i16(2, 50, 9)), ((9,), (2, 50, 9), (1, 50, 1))):
        yield Example([g, RANGE, i16(2, 50, 9), RANGE], {"zero_point": 0, "shape": shape, "dtype": "int16"}, ends)


def max_pool2d() -> Iterator[Example]:
    yield from (Example([i16(2, 8, 9, channels)], WINDOW, ends) for channels in (1, 4, 5))


def max_pool2d_grad() -> Iterator[Example]:
    for channels in (1, 4, 5):
        yield Example([f32(2, 4, 9, channels), i16(2, 8, 9, channels)], WINDOW, ends)


def maximum() -> Iterator[Example]:
    yield Example([i16(3, 1, 9), i16(5, 9)], {}, ends)


def minimum() -> Iterator[Example]:
    yield from maximum()


def maximum_grad() -> Iterator[Example]:
    yield Example([f32(3, 5, 9), i16(3, 1, 9), i16(5, 9)], {}, ends)


USES = [
    qlookup,
    qmatmul,
    qmatmul_input_grad,
    qmul_input_grad,
    max_pool2d,
    max_pool2d_grad,
    maximum,
    minimum,
    maximum_grad,
]


def run(op: OpDef, target: Target) -> None:
    bench = Bench(op)
    session = BACKEND.open(Program(bench.graph), target, TOOLBOX)
    bench.run(session)
    session.close()


@pytest.mark.parametrize("target", [HOST, M7], ids=lambda target: target.name)
@pytest.mark.parametrize("uses", USES, ids=lambda uses: uses.__name__)
def test_ends_of_the_range(uses, target: Target):
    run(replace(TOOLBOX.ops[uses.__name__], examples=list(uses())), target)


def with_int16(op: OpDef) -> OpDef:
    """The op with these examples alone."""
    return replace(op, examples=[e for e in op.examples if any(t.dtype is DType.I16 for t in e.types)])


@pytest.mark.parametrize("op", [op for op in map(with_int16, OPS) if op.examples], ids=lambda op: op.name)
def test_examples_on_the_device(op: OpDef):
    run(op, M7)

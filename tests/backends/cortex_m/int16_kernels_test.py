"""Convolutions, dense layers and products on int16 on host and device, bit by bit, with sums beyond int32."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest

from gradlet.backends.tinyengine import BACKEND
from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import Example, Sampler
from gradlet.ir.program import Program
from gradlet.ir.quantized_samples import i8, i16
from gradlet.ir.target import Memory
from gradlet.ir.tensor_type import DType, TensorType, f32, i32
from gradlet.targets.stm32f746 import TARGET as M7
from gradlet.targets.x86_64 import TARGET as HOST
from gradlet.tests.ops.bench import Bench
from gradlet.tests.ops.cases import TOOLBOX

# With room for all examples of an op at once.
DEVICE = replace(M7, sram=Memory(M7.sram.base, 4 << 20), flash=Memory(M7.flash.base, 4 << 20))
# Takes the kernels that are made for DSP instructions: what they have in C besides.
PLANES = replace(HOST, name="planes", features=frozenset({"dsp"}))
INT32 = np.iinfo(np.int32)
QUANT = {"bits": 16, "x_zero": 0, "y_zero": 0, "y_scale": 0.05}
# Ends of the results: those of the type, of a relu, within int8, and all alike.
ENDS = [{}, {"y_min": 0, "y_max": 30_000}, {"y_min": -100, "y_max": -1}, {"y_min": 7, "y_max": 7}]
POINT = {"strides": (1, 1), "padding": (0, 0, 0, 0)}

Use = tuple[Sequence[TensorType], Attrs]

# Input height and width, channels, output channels, kernel, attributes. A sum of 508 terms fits in int32.
WINDOWS = [
    ((1, 1), 1, 1, (1, 1), POINT),
    ((3, 3), 7, 3, (1, 1), POINT),
    ((5, 4), 20, 16, (1, 1), POINT),
    ((5, 6), 6, 5, (1, 1), {"strides": (2, 2), "padding": (0, 0, 0, 0)}),
    ((9, 8), 3, 6, (3, 3), {"strides": (2, 2), "padding": (1, 1, 1, 1)}),
    ((7, 10), 5, 9, (5, 4), {"strides": (1, 3), "padding": (2, 0, 1, 4)}),
    ((8, 9), 2, 5, (3, 2), {"strides": (2, 1), "padding": (0, 3, 3, 1), "dilation": (2, 3)}),
    ((6, 7), 8, 12, (3, 3), {"strides": (1, 1), "padding": (1, 1, 1, 1), "groups": 4}),
    *(((1, 5), terms, 2, (1, 1), POINT) for terms in (507, 508, 509, 511, 512, 1016, 1021)),
    ((5, 5), 60, 3, (3, 3), {"strides": (1, 1), "padding": (1, 1, 1, 1)}),
]


def constants(channels: int) -> list[TensorType]:
    return [i32(channels), f32(channels)]


def qconv2d() -> Iterator[Use]:
    for number, (size, channels, out, kernel, attrs) in enumerate(WINDOWS):
        depth = channels // attrs.get("groups", 1)
        named = attrs | QUANT | ENDS[number % len(ENDS)] | {"mask": number % 2 == 1}
        yield [i16(2, *size, channels), i8(out, *kernel, depth), *constants(out)], named
        for cuts in ((1,), (1, depth // 2, depth - 1)):
            bounds = sorted({0, *cuts, depth})
            weights = [i8(out, *kernel, end - begin) for begin, end in pairwise(bounds)]
            if len(weights) == len(cuts) + 1:
                yield [i16(1, *size, channels), *weights, *constants(out)], named | {"parts": len(weights)}


def qdense() -> Iterator[Use]:
    for (rows, terms, out), ends in product(((1, 40, 10), (3, 7, 5), (8, 640, 3)), ENDS):
        yield [i16(rows, terms), i8(out, terms), *constants(out)], QUANT | ends | {"mask": rows > 1}


def qdepthwise_conv2d() -> Iterator[Use]:
    shapes = [(size, kernel, attrs) for size, _, _, kernel, attrs in WINDOWS[:7]]
    shapes += [((8, 8), (k, k), {"strides": (s, s), "padding": (k // 2,) * 4}) for k in (3, 5, 7) for s in (1, 2)]
    shapes += [((24, 24), (23, 23), {"strides": (1, 1), "padding": (0, 0, 0, 0)})]
    for number, ((size, kernel, attrs), (channels, out)) in enumerate(
        product(shapes, ((1, 1), (7, 7), (2, 6), (9, 9)))
    ):
        types, named = [i16(2, *size, channels), i8(*kernel, out), *constants(out)], attrs | QUANT | ENDS[number % 3]
        yield types, named | {"mask": number % 2 == 1}
        if out > 1:
            weights = [i8(*kernel, out // 3), i8(*kernel, out - out // 3)]
            yield [types[0], *weights, *types[2:]], named | {"parts": 2}


def qmatmul() -> Iterator[Use]:
    sizes = [(1, 1, 1), (1, 9, 5), (2, 3, 4), (3, 1, 9), (5, 6, 2), (17, 10, 7), (22, 5, 18)]
    batches = [((), ()), ((2,), (2,)), ((3,), ()), ((), (2,))]
    zeros = {"bits": 16, "x1_zero": 0, "x2_zero": 0, "y_zero": 0}
    scales = {"x1_scale": 0.05, "x2_scale": 0.03, "y_scale": 40.0}
    for n, ((rows, columns, depth), batch, a, b) in enumerate(product(sizes, batches, (False, True), (False, True))):
        x1, x2 = (depth, rows) if a else (rows, depth), (columns, depth) if b else (depth, columns)
        named = {"transpose_a": a, "transpose_b": b, "mask": n % 3 == 0, **ENDS[n % 3]}
        yield [i16(*batch[0], *x1), i16(*batch[1], *x2)], {**zeros, **scales, **named}


def whole_range(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    return [drawn(t, rng, 2**15, 10**6, 10.0 ** rng.uniform(-8, 0, t.shape)) for t in types]


def ties(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Small integers, scales that are powers of two: many results lie in the middle of two integers."""
    return [drawn(t, rng, 4, 100, 2.0 ** -rng.integers(1, 4, t.shape)) for t in types]


def extreme(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """The largest products, biases at the ends of int32, and scales from 0 on."""
    found = [drawn(t, rng, 2**15, 1, 10.0 ** rng.uniform(-12, 3, t.shape)) for t in types]
    negative = rng.random() < 0.5
    for array in found:
        match array.dtype:
            case np.int8:
                array[...] = -128
            case np.int16:
                array[...] = 2**15 - 1 if negative else -(2**15)
            case np.int32:
                array[:] = rng.choice([INT32.max, INT32.min, INT32.max - 5000, INT32.min + 5000, 0], array.shape)
            case _:
                array[rng.random(array.shape) < 0.2] = 0
    return found


def drawn(t: TensorType, rng: np.random.Generator, limit: int, bias: int, scale: np.ndarray) -> np.ndarray:
    match t.dtype:
        case DType.I8:
            return rng.integers(-min(limit, 128), min(limit, 128), t.shape).astype(np.int8)
        case DType.I16:
            return rng.integers(-limit, limit, t.shape).astype(np.int16)
        case DType.F32:
            return scale.astype(np.float32)
        case _:
            return rng.integers(-bias, bias + 1, t.shape).astype(np.int32)


@pytest.mark.parametrize("target", [HOST, PLANES, DEVICE], ids=lambda target: target.name)
@pytest.mark.parametrize("sample", [whole_range, ties, extreme], ids=lambda sample: sample.__name__)
@pytest.mark.parametrize("uses", [qconv2d, qdense, qdepthwise_conv2d, qmatmul], ids=lambda uses: uses.__name__)
def test_integers_are_those_of_numpy(uses: Callable[[], Iterator[Use]], sample: Sampler, target):
    op = TOOLBOX.ops[uses.__name__]
    bench = Bench(replace(op, examples=[Example(*use, sample=sample) for use in uses()]))
    session = BACKEND.open(Program(bench.graph), target, TOOLBOX)
    bench.run(session)
    session.close()

"""Forward ops on int8 and the exact floats on host and device, bit by bit, in sizes and with numbers at the edges."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest

from gradlet.backends.tinyengine import BACKEND
from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import Example, Sampler
from gradlet.ir.program import Program
from gradlet.ir.requantize import quantize_multipliers
from gradlet.ir.target import Memory
from gradlet.ir.tensor_type import DType, TensorType, f32, i32
from gradlet.targets.nrf52840 import TARGET as M4
from gradlet.targets.stm32f746 import TARGET as M7
from gradlet.targets.x86_64 import TARGET as HOST
from gradlet.tests.ops.bench import Bench
from gradlet.tests.ops.cases import TOOLBOX

# With room for all examples of an op at once.
DEVICES = [replace(t, sram=Memory(t.sram.base, 4 << 20), flash=Memory(t.flash.base, 4 << 20)) for t in (M4, M7)]
TARGETS = [HOST, *DEVICES]
# Takes the kernels that are made for DSP instructions: what they have in C besides.
PLANES = replace(HOST, features=frozenset({"dsp"}))
INT32 = np.iinfo(np.int32)
ROUNDINGS = ("float", "double_rounding", "single_rounding")
QUANT = {"x_zero": -3, "y_zero": 5, "y_scale": 0.05}
RELU = {"x_zero": -128, "y_zero": -128, "y_scale": 6 / 255, "mask": True}
HIGH = {"x_zero": 127, "y_zero": 127, "y_scale": 0.05, "mask": True}

Use = tuple[Sequence[TensorType], Attrs]


def i8(*shape: int) -> TensorType:
    return TensorType(DType.I8, shape)


def constants(channels: int, rounding: str) -> list[TensorType]:
    return [i32(channels), f32(channels), *([] if rounding == "float" else [i32(channels, 2)])]


# Input height and width, channels, output channels, kernel, attributes.
WINDOWS = [
    ((1, 1), 1, 1, (1, 1), {"strides": (1, 1), "padding": (0, 0, 0, 0)}),
    ((3, 3), 7, 3, (1, 1), {"strides": (1, 1), "padding": (0, 0, 0, 0)}),
    ((4, 4), 8, 9, (1, 1), {"strides": (1, 1), "padding": (0, 0, 0, 0)}),
    ((5, 2), 20, 16, (1, 1), {"strides": (1, 1), "padding": (0, 0, 0, 0)}),
    ((5, 6), 6, 5, (1, 1), {"strides": (2, 2), "padding": (0, 0, 0, 0)}),
    ((9, 8), 3, 6, (3, 3), {"strides": (2, 2), "padding": (1, 1, 1, 1)}),
    ((9, 8), 4, 4, (3, 3), {"strides": (1, 1), "padding": (1, 1, 1, 1)}),
    ((7, 10), 5, 9, (5, 4), {"strides": (1, 3), "padding": (2, 0, 1, 4)}),
    ((8, 9), 2, 5, (3, 2), {"strides": (2, 1), "padding": (0, 3, 3, 1), "dilation": (2, 3)}),
    ((6, 7), 8, 12, (3, 3), {"strides": (1, 1), "padding": (1, 1, 1, 1), "groups": 4}),
    ((3, 5), 4, 7, (7, 7), {"strides": (1, 1), "padding": (3, 3, 3, 3)}),
]


def qconv2d() -> Iterator[Use]:
    for (size, channels, out, kernel, attrs), quant in product(WINDOWS, (QUANT, RELU, HIGH)):
        depth = channels // attrs.get("groups", 1)
        yield [i8(2, *size, channels), i8(out, *kernel, depth), *constants(out, "float")], attrs | quant
        for cuts in ((1,), (depth // 2,), (1, 2), (1, depth // 2, depth - 1)):
            bounds = sorted({0, *cuts, depth})
            weights = [i8(out, *kernel, end - begin) for begin, end in pairwise(bounds)]
            if len(weights) == len(cuts) + 1:
                divided = attrs | quant | {"parts": len(weights)}
                yield [i8(1, *size, channels), *weights, *constants(out, "float")], divided


def qconv2d_in_fixed_point() -> Iterator[Use]:
    for rounding in ROUNDINGS[1:]:
        for size, channels, out, kernel, attrs in WINDOWS[1:6]:
            types = [i8(1, *size, channels), i8(out, *kernel, channels), *constants(out, rounding)]
            yield types, attrs | QUANT | {"rounding": rounding, "mask": True}


def qdepthwise_conv2d() -> Iterator[Use]:
    shapes = [(size, kernel, attrs) for size, _, _, kernel, attrs in WINDOWS if "groups" not in attrs]
    shapes += [((8, 8), (k, k), {"strides": (s, s), "padding": (k // 2,) * 4}) for k in (3, 5, 7) for s in (1, 2)]
    for (size, kernel, attrs), (channels, out) in product(shapes, ((1, 1), (7, 7), (2, 6), (20, 20))):
        types = [i8(2, *size, channels), i8(*kernel, out), *constants(out, "float")]
        yield types, attrs | RELU
        if out > 1:
            weights = [i8(*kernel, out // 3), i8(*kernel, out - out // 3)]
            yield [types[0], *weights, *types[2:]], attrs | QUANT | {"parts": 2}
    yield (
        [i8(1, 4, 4, 5), i8(3, 3, 5), *constants(5, "single_rounding")],
        WINDOWS[6][-1] | HIGH | {"rounding": "single_rounding"},
    )


def qdense() -> Iterator[Use]:
    for (rows, terms, out), rounding in product(((1, 40, 10), (3, 7, 5), (8, 64, 3)), ROUNDINGS):
        yield [i8(rows, terms), i8(out, terms), *constants(out, rounding)], RELU | {"rounding": rounding}


def pairs(*shapes: Sequence[TensorType]) -> Iterator[Use]:
    zeros = {"x1_zero": 127, "x2_zero": -128, "y_zero": -1, "mask": True}
    for scales, rounding, types in product(((0.5, 0.25, 0.5), (3.0, 1e-3, 1e-4), (1e-6, 0.03, 0.9)), ROUNDINGS, shapes):
        named = dict(zip(("x1_scale", "x2_scale", "y_scale"), scales, strict=True))
        yield types, {**zeros, **named, "rounding": rounding}


SAME, REPEATED = [i8(3, 7, 11), i8(3, 7, 11)], [i8(3, 7, 11), i8(3, 1, 11)]


def qadd() -> Iterator[Use]:
    yield from pairs(SAME, REPEATED)
    scales = {"x1_scale": 0.4, "x2_scale": 0.3, "y_scale": 0.35}
    for count, mask, (zero, subtract) in product(range(1, 18), (False, True), ((-128, False), (127, True))):
        attrs = {**scales, "x1_zero": zero, "x2_zero": -1 - zero, "y_zero": zero, "mask": mask, "subtract": subtract}
        yield [i8(count), i8(count)], attrs
        yield [i8(3, count), i8(count)], attrs


def qmul() -> Iterator[Use]:
    yield from pairs(SAME, REPEATED)


def qsquared_difference() -> Iterator[Use]:
    yield from pairs(SAME, REPEATED)


def qprelu() -> Iterator[Use]:
    yield from pairs(SAME, REPEATED)


def qmatmul() -> Iterator[Use]:
    yield from pairs([i8(3, 7, 11), i8(3, 11, 5)])
    sizes = [(1, 1, 1), (1, 9, 5), (2, 3, 4), (3, 1, 9), (4, 2, 8), (5, 6, 1), (17, 10, 7), (22, 35, 18)]
    batches = [((), ()), ((2,), (2,)), ((3,), ()), ((), (2,))]
    zeros = {"x1_zero": -128, "x2_zero": 127, "y_zero": 3}
    scales = {"x1_scale": 0.05, "x2_scale": 0.03, "y_scale": 0.9}
    for n, ((rows, columns, depth), batch, a, b) in enumerate(product(sizes, batches, (False, True), (False, True))):
        x1, x2 = (depth, rows) if a else (rows, depth), (columns, depth) if b else (depth, columns)
        named = {"transpose_a": a, "transpose_b": b, "mask": n % 3 == 0, "rounding": ROUNDINGS[n % 5 // 3]}
        yield [i8(*batch[0], *x1), i8(*batch[1], *x2)], {**zeros, **scales, **named}


def sums() -> Iterator[Use]:
    for scales, rounding, axis in product(
        ((0.5, 1.0), (1.0, 0.5), (1e-5, 1e5), (1e4, 1e-4)), ROUNDINGS, ((1,), (0, 2))
    ):
        named = dict(zip(("x_scale", "y_scale"), scales, strict=True))
        yield [i8(3, 20, 11)], {**named, "x_zero": 5, "y_zero": -128, "mask": True, "rounding": rounding, "axis": axis}


def qsum() -> Iterator[Use]:
    yield from sums()


def qmean() -> Iterator[Use]:
    yield from sums()


def requantize() -> Iterator[Use]:
    for scales, rounding in product(((0.5, 1.0), (1.0, 0.5), (0.25, 1.0), (1e-5, 1e5), (1e4, 1e-4)), ROUNDINGS):
        named = dict(zip(("x_scale", "y_scale"), scales, strict=True))
        yield [i8(999)], {**named, "x_zero": 5, "y_zero": -128, "mask": True, "rounding": rounding}


def quantize() -> Iterator[Use]:
    for scale, rounding in product((0.5, 1.0, 0.3), ROUNDINGS):
        yield [f32(999)], {"scale": scale, "zero_point": 9, "mask": True, "rounding": rounding}


def qavg_pool2d() -> Iterator[Use]:
    for kernel, rounding in product((2, 3, 4), ROUNDINGS):
        window = {"kernel": (kernel, kernel), "strides": (2, 1), "padding": (1, 0, 1, 1)}
        yield [i8(2, 8, 9, 7)], window | {"rounding": rounding}
    yield [i8(1, 8, 8, 16)], {"kernel": (8, 8), "strides": (1, 1), "padding": (0, 0, 0, 0)}


def max_pool2d() -> Iterator[Use]:
    for channels, kernel in product((1, 4, 7, 16), (2, 3)):
        yield [i8(2, 8, 9, channels)], {"kernel": (kernel, 2), "strides": (2, 1), "padding": (1, 0, 1, 1)}


def pad() -> Iterator[Use]:
    for before, after in product(
        ((0, 0, 0, 0), (0, 1, 2, 0), (1, 0, 0, 3)), ((0, 0, 0, 0), (0, 2, 1, 0), (0, 0, 0, 1))
    ):
        yield [i8(2, 3, 4, 5)], {"before": before, "after": after, "value": -128.0}


def resize() -> Iterator[Use]:
    for mode, corners, size in product(("nearest", "bilinear"), (False, True), ((3, 20), (14, 1), (7, 9))):
        yield [i8(2, 7, 9, 5)], {"mode": mode, "size": size, "align_corners": corners}
        yield [i8(1, 4, 5, 4)], {"mode": mode, "size": size, "half_pixel_centers": mode == "nearest"}


def whole_range(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    return [drawn(t, rng, 128, 40_000, 10.0 ** rng.uniform(-6, 0, t.shape)) for t in types]


def ties(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Small integers, scales that are powers of two: many results lie in the middle of two integers."""
    return [drawn(t, rng, 4, 100, 2.0 ** -rng.integers(1, 4, t.shape)) for t in types]


def saturated(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Biases at the ends of int32, scales from 0 on, and the largest products."""
    found = [drawn(t, rng, 128, 1, 10.0 ** rng.uniform(-12, 3, t.shape)) for t in types]
    for array in found:
        if array.dtype == np.int8:
            array[rng.random(array.shape) < 0.5] = -128
        if array.dtype == np.int32 and array.ndim == 1:
            array[:] = rng.choice([INT32.max, INT32.min, INT32.max - 5000, INT32.min + 5000, 0], array.shape)
        if array.dtype == np.float32 and array.ndim == 1:
            array[rng.random(array.shape) < 0.2] = 0
    return found


def drawn(t: TensorType, rng: np.random.Generator, limit: int, bias: int, scale: np.ndarray) -> np.ndarray:
    match t.dtype:
        case DType.I8:
            return rng.integers(-limit, limit, t.shape).astype(np.int8)
        case DType.F32 if t.size == 999:  # what is quantised
            return (rng.integers(-600, 600, t.shape) / 4).astype(np.float32)
        case DType.F32:
            return scale.astype(np.float32)
        case _ if t.shape[1:] == (2,):
            return quantize_multipliers(scale[:, 0])
        case _:
            return rng.integers(-bias, bias + 1, t.shape).astype(np.int32)


USES = [
    qconv2d,
    qconv2d_in_fixed_point,
    qdepthwise_conv2d,
    qdense,
    qadd,
    qmul,
    qsquared_difference,
    qprelu,
    qmatmul,
    qsum,
    qmean,
    requantize,
    quantize,
    qavg_pool2d,
    max_pool2d,
    pad,
    resize,
]


# The M4 differs from the M7 in the floating point unit alone.
RUNS = [(t, sample) for t in (HOST, DEVICES[1]) for sample in (whole_range, ties, saturated)] + [(DEVICES[0], ties)]


def bench_of(uses: Callable[[], Iterator[Use]], sample: Sampler) -> Bench:
    op = TOOLBOX.ops[uses.__name__.removesuffix("_in_fixed_point")]
    return Bench(replace(op, examples=[Example(*use, sample=sample) for use in uses()]))


@pytest.mark.parametrize(("target", "sample"), RUNS, ids=[f"{t.name}-{s.__name__}" for t, s in RUNS])
@pytest.mark.parametrize("uses", USES, ids=lambda uses: uses.__name__)
def test_integers_are_those_of_numpy(uses, target, sample):
    bench = bench_of(uses, sample)
    session = BACKEND.open(Program(bench.graph), target, TOOLBOX)
    bench.run(session)
    session.close()


@pytest.mark.parametrize("sample", [whole_range, saturated], ids=lambda sample: sample.__name__)
def test_planes_of_depthwise_convolutions_are_those_of_numpy(sample):
    bench = bench_of(qdepthwise_conv2d, sample)
    session = BACKEND.open(Program(bench.graph), PLANES, TOOLBOX)
    bench.run(session)
    session.close()


def ordered_dense() -> Iterator[Use]:
    for rows, terms, out in ((1, 160, 10), (3, 33, 5), (8, 8, 8)):
        yield [f32(rows, terms), f32(out, terms), f32(out)], {}
        yield [f32(rows, terms), f32(out, terms)], {}


def ordered_dense_input_grad() -> Iterator[Use]:
    for rows, terms, out in ((1, 160, 10), (3, 33, 5), (8, 8, 8)):
        yield [f32(rows, out), f32(out, terms)], {}


def ordered_dense_weight_grad() -> Iterator[Use]:
    for rows, terms, out in ((1, 160, 10), (3, 33, 5), (8, 8, 8)):
        yield [f32(rows, out), f32(rows, terms)], {}


def ordered_dense_bias_grad() -> Iterator[Use]:
    for rows, out in ((1, 10), (33, 7)):
        yield [f32(rows, out)], {}


def ordered_softmax_cross_entropy() -> Iterator[Use]:
    for rows, classes in ((1, 10), (5, 2), (9, 33)):
        yield [f32(rows, classes), i32(rows)], {}


def ordered_softmax_cross_entropy_grad() -> Iterator[Use]:
    yield from ordered_softmax_cross_entropy()


def floats(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Of all magnitudes; labels are those of two classes."""
    return [
        rng.integers(0, 2, t.shape).astype(np.int32)
        if t.dtype is DType.I32
        else (rng.normal(size=t.shape) * 10.0 ** rng.uniform(-3, 2, t.shape)).astype(np.float32)
        for t in types
    ]


EXACT = [
    ordered_dense,
    ordered_dense_input_grad,
    ordered_dense_weight_grad,
    ordered_dense_bias_grad,
    ordered_softmax_cross_entropy,
    ordered_softmax_cross_entropy_grad,
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.parametrize("uses", EXACT, ids=lambda uses: uses.__name__)
def test_floats_have_the_bits_of_numpy(uses, target):
    op = replace(TOOLBOX.ops[uses.__name__], examples=[Example(*use, sample=floats) for use in uses()])
    bench = Bench(op)
    session = BACKEND.open(Program(bench.graph), target, TOOLBOX)
    found = session.infer(bench.inputs)
    session.close()
    for what, value, expected in bench.expected:
        # Adding zero: the sign of a zero is nobody's concern.
        same = (found[value.name] + 0).tobytes() == (np.asarray(expected) + 0).tobytes()
        assert same, f"{what}: {found[value.name]} instead of {expected}"

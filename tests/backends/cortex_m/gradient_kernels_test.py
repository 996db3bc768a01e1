"""Gradients and updates of quantised values on host and device, bit by bit, in all their forms and at the edges."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest

from gradlet.backends.tinyengine import BACKEND
from gradlet.ir.backend import Session
from gradlet.ir.gradient_epilogue import RANGE
from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import Example, Sampler
from gradlet.ir.program import Program
from gradlet.ir.target import Memory, Target
from gradlet.ir.tensor_type import DType, TensorType, b1, f32, i32
from gradlet.targets.nrf52840 import TARGET as NRF52840
from gradlet.targets.stm32f746 import TARGET as STM32F746
from gradlet.targets.x86_64 import TARGET as HOST
from gradlet.tests.ops.bench import Bench
from gradlet.tests.ops.cases import TOOLBOX

# With room for all examples of an op at once.
M4, M7 = (
    replace(t, sram=Memory(t.sram.base, 8 << 20), flash=Memory(t.flash.base, 4 << 20)) for t in (NRF52840, STM32F746)
)
GRADIENTS = (DType.I8, DType.I16, DType.F32)
ALL = {"mask": True, "scale": True, "skip": True, "factor": 0.3, "skip_factor": 1.7}
# What an epilogue does, the type of its result, that of its skip.
EPILOGUES = [
    ({}, DType.F32, None),
    ({"mask": True, "scale": True}, DType.I8, None),
    (ALL, DType.I8, DType.I8),
    (ALL, DType.I16, DType.I16),
    ({"skip": True}, DType.I8, DType.F32),
]

Use = tuple[Sequence[TensorType], Attrs]


def of(dtype: DType, *shape: int) -> TensorType:
    return TensorType(dtype, shape)


def i8(*shape: int) -> TensorType:
    return of(DType.I8, *shape)


def with_range(g: TensorType) -> list[TensorType]:
    return [g] if g.dtype is DType.F32 else [g, RANGE]


def ending(shape: tuple[int, ...], attrs: Attrs, dtype: DType, skip: DType | None) -> tuple[list[TensorType], Attrs]:
    """The operands of an epilogue, and its attributes."""
    types = [b1(*shape)] if "mask" in attrs else []
    types += [f32(shape[-1])] if "scale" in attrs else []
    types += with_range(of(skip, *shape)) if skip else []
    types += [] if dtype is DType.F32 else [RANGE]
    return types, attrs if dtype is DType.F32 else attrs | {"dtype": dtype.value}


# Height and width of the input, channels, output channels, kernel, attributes.
WINDOWS = [
    ((1, 1), 1, 1, (1, 1), {"strides": (1, 1), "padding": (0, 0, 0, 0)}),
    ((3, 3), 7, 3, (1, 1), {"strides": (1, 1), "padding": (0, 0, 0, 0)}),
    ((4, 4), 24, 20, (1, 1), {"strides": (1, 1), "padding": (0, 0, 0, 0)}),
    ((5, 2), 19, 17, (1, 1), {"strides": (1, 1), "padding": (0, 0, 0, 0)}),
    ((5, 6), 6, 5, (1, 1), {"strides": (2, 2), "padding": (0, 0, 0, 0)}),
    ((9, 8), 3, 6, (3, 3), {"strides": (2, 2), "padding": (1, 1, 1, 1)}),
    ((9, 8), 8, 4, (3, 3), {"strides": (1, 1), "padding": (1, 1, 1, 1)}),
    ((7, 10), 5, 9, (5, 4), {"strides": (1, 3), "padding": (2, 0, 1, 4)}),
    ((8, 9), 2, 5, (3, 2), {"strides": (2, 1), "padding": (0, 3, 3, 1), "dilation": (2, 3)}),
    ((6, 7), 8, 12, (3, 3), {"strides": (1, 1), "padding": (1, 1, 1, 1), "groups": 4}),
    ((3, 5), 4, 7, (7, 7), {"strides": (1, 1), "padding": (3, 3, 3, 3)}),
]


def result(op: str, types: Sequence[TensorType], attrs: Attrs) -> tuple[int, ...]:
    return TOOLBOX.ops[op].infer([f32(*t.shape) for t in types], attrs)[0].shape


def qconv2d_input_grad() -> Iterator[Use]:
    for (size, channels, out, kernel, attrs), dtype, (end, to, skip) in product(WINDOWS, GRADIENTS, EPILOGUES):
        depth, x = channels // attrs.get("groups", 1), i8(1, *size, channels)
        g = of(dtype, *result("conv2d", [x, i8(out, *kernel, depth)], attrs))
        more, named = ending(x.shape, end, to, skip)
        given = attrs | named | {"input_shape": x.shape}
        yield [*with_range(g), i8(out, *kernel, depth), *more], given
        for cuts in ((depth // 3 + 1,), (1, 2), (1, 2, depth - 1)) if skip is DType.I8 else ():
            bounds = sorted({0, *cuts, depth})
            parts = [i8(out, *kernel, end - begin) for begin, end in pairwise(bounds)]
            if len(parts) == len(cuts) + 1:
                yield [*with_range(g), *parts, *more], given | {"parts": len(parts)}


# Types of x and of g in gradients of weights, and zero points of x: where x is int16, sums of floats depend on their
# order.
FACTORS = [
    *product((DType.I8,), GRADIENTS, (-128, 127)),
    *product((DType.I16,), (DType.I8, DType.I16), (0,)),
]


def qconv2d_weight_grad() -> Iterator[Use]:
    for (size, channels, out, kernel, attrs), (dtype, g_dtype, zero) in product(WINDOWS, FACTORS):
        x, w = of(dtype, 2, *size, channels), i8(out, *kernel, channels // attrs.get("groups", 1))
        g = of(g_dtype, *result("conv2d", [x, w], attrs))
        yield [x, g], attrs | {"kernel": kernel, "x_zero": zero}


# The same with a multiplier, and sizes of the channels around those that are summed at once.
DEPTHWISE = [
    (size, channels, kernel, {k: v for k, v in attrs.items() if k != "groups"})
    for (size, _, _, kernel, attrs), channels in product(WINDOWS, ((1, 1), (8, 8), (21, 21), (2, 6)))
]


def qdepthwise_conv2d_input_grad() -> Iterator[Use]:
    for (size, (channels, out), kernel, attrs), dtype, (end, to, skip) in product(DEPTHWISE, GRADIENTS, EPILOGUES[:3]):
        x = i8(1, *size, channels)
        g = of(dtype, *result("depthwise_conv2d", [x, i8(*kernel, out)], attrs))
        more, named = ending(x.shape, end, to, skip)
        given = attrs | named | {"input_shape": x.shape}
        yield [*with_range(g), i8(*kernel, out), *more], given
        if out > 1:
            yield [*with_range(g), i8(*kernel, out // 3), i8(*kernel, out - out // 3), *more], given | {"parts": 2}


def qdepthwise_conv2d_weight_grad() -> Iterator[Use]:
    for (size, (channels, out), kernel, attrs), (dtype, g_dtype, zero) in product(DEPTHWISE, FACTORS):
        x = of(dtype, 2, *size, channels)
        g = of(g_dtype, *result("depthwise_conv2d", [x, i8(*kernel, out)], attrs))
        yield [x, g], attrs | {"kernel": kernel, "x_zero": zero}


def qdense_input_grad() -> Iterator[Use]:
    for (rows, terms, out), dtype, (end, to, skip) in product(((1, 40, 10), (5, 7, 3)), GRADIENTS, EPILOGUES):
        more, named = ending((rows, terms), end, to, skip)
        yield [*with_range(of(dtype, rows, out)), i8(out, terms), *more], named


def qdense_weight_grad() -> Iterator[Use]:
    for (rows, terms, out), (dtype, g_dtype, zero) in product(((1, 40, 10), (5, 7, 3)), FACTORS):
        yield [of(dtype, rows, terms), of(g_dtype, rows, out)], {"x_zero": zero}


def qmatmul_input_grad() -> Iterator[Use]:
    sizes = [(1, 1, 1), (1, 9, 5), (2, 3, 4), (3, 1, 9), (4, 2, 8), (5, 6, 1), (17, 10, 7), (22, 35, 18)]
    batches = [((), (), ()), ((2,), (2,), (2,)), ((3,), (3,), ()), ((2,), (), (2,))]
    for n, ((m, k, columns), a, b, of_) in enumerate(product(sizes, (False, True), (False, True), (0, 1))):
        batch, own, other = batches[(n + n // 8) % 4]  # Another one for each size.
        x1, x2 = (k, m) if a else (m, k), (columns, k) if b else (k, columns)
        shape, x = (*own, *(x2 if of_ else x1)), (*other, *(x1 if of_ else x2))
        end, to, skip = EPILOGUES[n % len(EPILOGUES)]
        more, named = ending(shape, end, to, skip)
        attrs = {"of": of_, "shape": shape, "transpose_a": a, "transpose_b": b, "zero_point": (-128, 127)[n % 2]}
        yield [*with_range(i8(*batch, m, columns)), i8(*x), *more], named | attrs


def rescale_gradient() -> Iterator[Use]:
    for shape, dtype, (end, to, skip) in product(
        ((2, 3, 5, 7), (1, 4, 4, 16), (3, 9)), (*GRADIENTS, DType.I32), EPILOGUES
    ):
        more, named = ending(shape, end, to, skip)
        yield [*with_range(of(dtype, *shape)), *more], named
        if len(shape) == 4:
            one = (shape[0], 1, 1, shape[-1])
            yield [*with_range(of(dtype, *one)), *more], named | {"shape": shape}
            yield [*with_range(of(dtype, 1, 1, shape[2], 1)), *more], named | {"shape": shape}


def gradient_sum() -> Iterator[Use]:
    for shape, dtype in product(((1, 4, 4, 16), (33, 5), (7,)), GRADIENTS):
        yield [of(dtype, *shape)], {}


def quantized_sgd() -> Iterator[Use]:
    for (shape, axis), region, more in product(
        (((5, 3, 3, 4), 0), ((9, 7), 0), ((3, 3, 9), 2)),
        ({}, {"axis": -1, "begin": 1, "end": 3}),
        ({}, {"rounding": "nearest"}, {"bound": 0.5}, {"weight_decay": 0.01}),
    ):
        region = region | {"axis": len(shape) - 1} if region else {}
        part = (*shape[:-1], 2) if region else shape
        attrs = {"channel_axis": axis, "seed": -3} | region | more
        counter = [] if "rounding" in more else [i32()]
        for dtype in (DType.F32, DType.I32):
            yield [i8(*shape), *with_range(of(dtype, *part)), f32(), f32(part[axis]), *counter], attrs
    for dtype, more in product((DType.F32, DType.I32), ({}, {"weight_decay": 0.01})):
        yield [i32(37), *with_range(of(dtype, 37)), f32(), f32(37)], {"channel_axis": 0} | more


def master_sgd() -> Iterator[Use]:
    for p, dtype, more in product(
        (i8(4, 1, 1, 7), i32(33)),
        (DType.F32, DType.I32),
        ({}, {"weight_decay": 0.01}, {"momentum": 0.9}, {"momentum": 0.9, "weight_decay": 0.01}),
    ):
        moments = [f32(*p.shape)] if "momentum" in more else []
        given = [*with_range(of(dtype, *p.shape)), f32(), f32(p.shape[0]), *moments]
        yield [p, f32(*p.shape), *given], {"channel_axis": 0} | more


def first_step(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    return [drawn(t, rng, (0.0, 1.0), 0.01) for t in types]


def later_step(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    return [drawn(t, rng, (float(rng.uniform(0.1, 1000)), 0.25), 0.01) for t in types]


def saturating(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """Ends of the ranges, in sums and results, and numbers that no float holds."""
    found = [drawn(t, rng, (1e-3, 2.0**80), 1e30) for t in types]
    for t, array in zip(types, found, strict=True):
        if t.dtype in (DType.I8, DType.I16) and t.size > 2:
            array[rng.random(t.shape) < 0.5] = -127 if t.dtype is DType.I8 else 32767
    return found


def drawn(t: TensorType, rng: np.random.Generator, range_: tuple[float, float], scale: float) -> np.ndarray:
    match t.dtype:
        case _ if t == RANGE:
            return np.array(range_, np.float32)
        case DType.F32 if len(t.shape) == 1:
            return (scale * rng.uniform(0, 2, t.shape) * (rng.random(t.shape) < 0.9)).astype(np.float32)
        case DType.F32 if t.shape == ():
            return np.array(0.37, np.float32)
        case DType.F32:
            # Their sums are exact in any order.
            return (np.rint(64 * rng.normal(size=t.shape)) / 64).astype(np.float32)
        case DType.B1:
            return rng.random(t.shape) < 0.7
        case _:
            limit = {DType.I8: 127, DType.I16: 32767}.get(t.dtype, 100_000)
            return rng.integers(-limit, limit + 1, t.shape).astype(t.dtype.numpy)


USES = [
    qconv2d_input_grad,
    qconv2d_weight_grad,
    qdepthwise_conv2d_input_grad,
    qdepthwise_conv2d_weight_grad,
    qdense_input_grad,
    qdense_weight_grad,
    qmatmul_input_grad,
    rescale_gradient,
    gradient_sum,
    quantized_sgd,
    master_sgd,
]


def used(uses, sample: Sampler) -> Iterator[list[Example]]:
    """Examples for a program at a time: a device passes four integers in registers, one a counter."""
    examples = [Example(*use, sample=sample) for use in uses()]
    counters = sum(t == i32() for example in examples for t in example.types)
    size = 4 if counters else len(examples)
    yield from (examples[k : k + size] for k in range(0, len(examples), size))


@pytest.mark.parametrize(
    ("sample", "target"),
    [*product((first_step, later_step, saturating), (HOST, M7)), (later_step, M4)],
    ids=lambda x: x.name if isinstance(x, Target) else x.__name__,
)
@pytest.mark.parametrize("uses", USES, ids=lambda uses: uses.__name__)
def test_bits_are_those_of_numpy(uses, sample: Sampler, target: Target):
    for examples in used(uses, sample):
        with np.errstate(over="ignore", invalid="ignore"):
            bench = Bench(replace(TOOLBOX.ops[uses.__name__], examples=examples))
        session = BACKEND.open(Program(bench.graph), target, TOOLBOX)
        found = session.infer(bench.inputs)
        session.close()
        for what, value, expected in bench.expected:
            same = same_bits(found[value.name], np.asarray(expected))
            assert same, f"{what}: {found[value.name]} instead of {expected}"


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Adding zero: the sign of a zero is nobody's concern; nor is which NaN it is."""
    if a.dtype.kind != "f":
        return np.array_equal(a, b)
    return (np.where(np.isnan(a), 1, a) + 0).tobytes() == (np.where(np.isnan(b), 1, b) + 0).tobytes()


@pytest.mark.parametrize("target", [HOST, M7], ids=lambda target: target.name)
def test_a_range_lives_on_from_step_to_step(target):
    """The unit of the second step is that of the first gradient, however large the second one is."""
    types, attrs = next(use for use in qconv2d_input_grad() if use[1].get("dtype") == "int8")
    op = replace(TOOLBOX.ops["qconv2d_input_grad"], examples=[Example(types, attrs, sample=first_step)])
    bench = Bench(op)
    session: Session = BACKEND.open(Program(bench.graph), target, TOOLBOX)
    state, g_range = bench.graph.states[0], next(v for v in bench.graph.inputs if v.type == RANGE)
    expected = np.array([0, 1], np.float32)
    for unit in (1.0, 64.0, 2.0**-20, 1.0):
        arrays = bench.inputs | {g_range.name: np.array([1, unit], np.float32)}
        operands = [arrays.get(v.name, expected) for v in bench.graph.nodes[0].inputs]
        q, expected = op.evaluate([*operands[:-1], expected], attrs)
        found = session.infer(arrays)
        np.testing.assert_array_equal(found[bench.graph.nodes[0].outputs[0].name], q)
        np.testing.assert_array_equal(session.states()[state.name], expected)
    session.close()

"""Products and convolutions of all sizes around those of a tile, where the device's inner loops are assembly."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from gradlet.backends.tinyengine import BACKEND
from gradlet.ir.graph import Attrs
from gradlet.ir.op_def import Example, OpDef
from gradlet.ir.program import Program
from gradlet.ir.target import Memory
from gradlet.ir.tensor_type import TensorType, f32
from gradlet.targets.stm32f746 import TARGET
from gradlet.targets.x86_64 import TARGET as HOST
from gradlet.tests.ops.bench import Bench
from gradlet.tests.ops.cases import TOOLBOX

# With room for all examples of an op at once.
DEVICE = replace(TARGET, sram=Memory(TARGET.sram.base, 4 << 20), flash=Memory(TARGET.flash.base, 4 << 20))
# Rows, columns, terms of a sum: parts of a tile of 4 x 4, of a step of 2 or 4 terms, and several.
PRODUCTS = [*product((1, 3, 4), (2, 4, 6), (1, 2, 5, 8)), (9, 13, 7), (8, 8, 16)]

Args = tuple[Sequence[TensorType], Attrs]


def dense() -> Iterator[Args]:
    for rows, columns, terms in PRODUCTS:
        yield [f32(rows, terms), f32(columns, terms), f32(columns)], {"activation": "relu6"}


def dense_weight_grad() -> Iterator[Args]:
    for rows, columns, terms in PRODUCTS:
        yield [f32(terms, rows), f32(terms, columns)], {}


def matmul() -> Iterator[Args]:
    for rows, columns, terms in PRODUCTS:
        yield [f32(rows, terms), f32(terms, columns)], {}
        yield [f32(2, terms, rows), f32(columns, terms)], {"transpose_a": True, "transpose_b": True}


# Input height and width, channels, output channels, attributes.
WINDOWS = [
    ((9, 8), 3, 6, (3, 3), {"strides": (1, 1), "padding": (1, 1, 1, 1)}),
    ((9, 8), 4, 4, (3, 3), {"strides": (2, 2), "padding": (1, 1, 1, 1)}),
    ((7, 10), 5, 9, (5, 4), {"strides": (1, 3), "padding": (2, 0, 1, 4)}),
    ((8, 9), 2, 5, (3, 2), {"strides": (2, 1), "padding": (0, 3, 3, 1), "dilation": (2, 3)}),
    ((6, 7), 8, 12, (3, 3), {"strides": (1, 1), "padding": (1, 1, 1, 1), "groups": 4}),
    ((3, 5), 4, 7, (7, 7), {"strides": (1, 1), "padding": (3, 3, 3, 3)}),
    ((5, 6), 6, 5, (1, 1), {"strides": (2, 2), "padding": (0, 0, 0, 0)}),
    ((5, 5), 7, 9, (1, 1), {"strides": (1, 1), "padding": (0, 0, 0, 0)}),
]


def conv2d() -> Iterator[Args]:
    for size, channels, out, kernel, attrs in WINDOWS:
        w = f32(out, *kernel, channels // attrs.get("groups", 1))
        yield [f32(2, *size, channels), w, f32(out)], {**attrs, "activation": "relu"}
        yield [f32(1, *size, channels), w], attrs


def conv2d_input_grad() -> Iterator[Args]:
    for (x, w), attrs in plain(conv2d()):
        yield [output("conv2d", [x, w], attrs), w], {**attrs, "input_shape": x.shape}


def conv2d_weight_grad() -> Iterator[Args]:
    for (x, w), attrs in plain(conv2d()):
        yield [x, output("conv2d", [x, w], attrs)], {**attrs, "kernel": w.shape[1:3]}


def depthwise_conv2d() -> Iterator[Args]:
    for (size, _, _, kernel, attrs), channels in product(WINDOWS, (1, 8, 16, 35)):
        attrs = {k: v for k, v in attrs.items() if k != "groups"}
        yield [f32(2, *size, channels), f32(*kernel, channels), f32(channels)], {**attrs, "activation": "relu6"}
    yield [f32(1, *size, 8), f32(*kernel, 24)], attrs


def depthwise_conv2d_input_grad() -> Iterator[Args]:
    for (x, w), attrs in plain(depthwise_conv2d()):
        yield [output("depthwise_conv2d", [x, w], attrs), w], {**attrs, "input_shape": x.shape}


def depthwise_conv2d_weight_grad() -> Iterator[Args]:
    for (x, w), attrs in plain(depthwise_conv2d()):
        yield [x, output("depthwise_conv2d", [x, w], attrs)], {**attrs, "kernel": w.shape[:2]}


def plain(uses: Iterator[Args]) -> Iterator[Args]:
    """The uses without bias and activation, which a gradient does not know."""
    for (x, w, *_), attrs in uses:
        yield (x, w), {k: v for k, v in attrs.items() if k != "activation"}


def output(op: str, types: Sequence[TensorType], attrs: Attrs) -> TensorType:
    return TOOLBOX.ops[op].infer(types, attrs)[0]


def small(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    """So small that sums of many stay near 1, where the tolerance of the comparison is meant."""
    return [rng.normal(scale=0.25, size=t.shape).astype(np.float32) for t in types]


MADE = [
    dense,
    dense_weight_grad,
    matmul,
    conv2d,
    conv2d_input_grad,
    conv2d_weight_grad,
    depthwise_conv2d,
    depthwise_conv2d_input_grad,
    depthwise_conv2d_weight_grad,
]


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_device_and_host_have_the_same_bits_and_numpys_numbers(make):
    op: OpDef = replace(TOOLBOX.ops[make.__name__], examples=[Example(*args, sample=small) for args in make()])
    bench = Bench(op)
    found = []
    for target in (HOST, DEVICE):
        session = BACKEND.open(Program(bench.graph), target, TOOLBOX)
        bench.run(session)
        found.append(session.infer(bench.inputs))
        session.close()
    for name, array in found[0].items():
        np.testing.assert_array_equal(array.view(np.uint32), found[1][name].view(np.uint32), err_msg=name)


@pytest.mark.parametrize("target", [HOST, DEVICE], ids=lambda target: target.name)
def test_activation_keeps_nan(target):
    """A step that went wrong is seen in the loss: minimum and maximum of the floating point unit would hide it."""
    examples = [
        Example([f32(5, 3), f32(12, 3), f32(12)], {"activation": "relu6"}, sample=with_nan_and_infinity),
        Example([f32(5, 3), f32(12, 3), f32(12)], {"activation": "relu"}, sample=with_nan_and_infinity),
    ]
    bench = Bench(replace(TOOLBOX.ops["dense"], examples=examples))
    assert all(np.isnan(expected).any() and (expected == 0).any() for what, _, expected in bench.expected[::4])
    session = BACKEND.open(Program(bench.graph), target, TOOLBOX)
    bench.run(session)
    session.close()


def with_nan_and_infinity(types: Sequence[TensorType], rng: np.random.Generator) -> list[np.ndarray]:
    x, w, bias = small(types, rng)
    bias[[1, 6]] = np.nan, -np.nan
    bias[[2, 3]] = np.inf, -np.inf
    return [x, w, bias]

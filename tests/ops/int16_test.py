"""Ops on int16 give on every backend what PyTorch in float64 and Python's fractions do; errors of their type rules."""

import importlib.util
import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional

from gradlet.ir import int8_functions
from gradlet.ir.graph import Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType, TensorType
from gradlet.ir.verifier import verify
from gradlet.tests.ops.cases import OPS, TOOLBOX

LOW, HIGH = -32768, 32767
ENDS = [{}, {"y_min": 0, "y_max": 20000}]
WINDOWS = [
    {"strides": (1, 1), "padding": (0, 0, 0, 0)},
    {"strides": (2, 1), "padding": (1, 0, 2, 1)},
    {"strides": (1, 2), "padding": (0, 2, 1, 3), "dilation": (2, 1)},
]
LINEAR = {"x_zero": 0, "y_zero": 0, "y_scale": 1.0, "bits": 16, "mask": True}
PAIR = {"x1_scale": 0.0031, "x1_zero": 0, "x2_scale": 0.0017, "x2_zero": 0, "y_zero": 0, "bits": 16, "mask": True}
LINE = {"x_scale": 0.0031, "x_zero": 0, "y_zero": 0, "bits": 16, "mask": True}


@pytest.fixture(params=TOOLBOX.names("backends"))
def run(request):
    """Runs a node: run(op, *operands, **attributes) -> arrays."""
    if request.param == "tvm" and importlib.util.find_spec("tvm") is None:
        pytest.skip("tvm is not installed")

    def run(op, *arrays, **attrs):
        graph = Graph(op)
        operands = [graph.add_input(f"x{i}", TensorType(DType(a.dtype.name), a.shape)) for i, a in enumerate(arrays)]
        graph.outputs = list(Emit(TOOLBOX.ops, graph).node(op, *operands, **attrs).outputs)
        verify(graph, TOOLBOX.ops)
        session = TOOLBOX.get("backends", request.param).open(Program(graph), TOOLBOX.get("targets", "x86_64"), TOOLBOX)
        try:
            found = session.infer({v.name: a for v, a in zip(operands, arrays, strict=True)})
        finally:
            session.close()
        return [found[v.name] for v in graph.outputs]

    return run


def drawn(dtype, *shape, seed=0):
    """Integers of the whole range of a type, both ends among them."""
    limits = np.iinfo(dtype)
    x = np.random.default_rng(seed).integers(limits.min, limits.max, shape, dtype, endpoint=True)
    x.flat[:2] = limits.min, limits.max
    return x


def assert_rounded(found, scaled, ends):
    """`found` is [y, mask] of numbers in units of y."""
    low, high, r = ends.get("y_min", LOW), ends.get("y_max", HIGH), np.rint(scaled)
    y, mask = found
    assert y.dtype == np.int16
    np.testing.assert_array_equal(y, np.clip(r, low, high))
    np.testing.assert_array_equal(mask, (low <= r) & (r <= high))
    assert not mask.all()
    assert mask.any()


def as_float(sums):
    """float32 of whole numbers in float64, all of them exact."""
    return sums.numpy().astype(np.int64).astype(np.float32)


def scales_of(sums):
    """f32[C] that take half of the results beyond int16."""
    wide = np.abs(sums.numpy()).reshape(-1, sums.shape[-1])
    return (2**15 / np.median(wide, axis=0)).astype(np.float32)


def convolved(x, w, window, groups):
    """PyTorch's convolution in float64, of x NHWC and w OHWI."""
    top, left, bottom, right = window["padding"]
    nchw = functional.pad(torch.tensor(x).double().permute(0, 3, 1, 2), (left, right, top, bottom))
    oihw, dilation = torch.tensor(w).double().permute(0, 3, 1, 2), window.get("dilation", (1, 1))
    y = functional.conv2d(nchw, oihw, None, window["strides"], 0, dilation, groups)
    return y.permute(0, 2, 3, 1)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize(("window", "groups"), [*product(WINDOWS, (1, 2))])
def test_qconv2d(run, window, groups, ends):
    x, w, bias = drawn("int16", 2, 7, 6, 8), drawn("int8", 6, 3, 2, 8 // groups), drawn("int32", 6) >> 12
    sums = convolved(x, w, window, groups) + torch.tensor(bias)
    found = run("qconv2d", x, w, bias, scales_of(sums), **LINEAR, **window, **ends, groups=groups)
    assert_rounded(found, as_float(sums) * scales_of(sums), ends)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize(("window", "multiplier"), [*product(WINDOWS, (1, 2))])
def test_qdepthwise_conv2d(run, window, multiplier, ends):
    channels = 5 * multiplier
    x, w, bias = drawn("int16", 2, 7, 6, 5), drawn("int8", 3, 2, channels), drawn("int32", channels) >> 12
    sums = convolved(x, w.transpose(2, 0, 1)[..., None], window, groups=5) + torch.tensor(bias)
    found = run("qdepthwise_conv2d", x, w, bias, scales_of(sums), **LINEAR, **window, **ends)
    assert_rounded(found, as_float(sums) * scales_of(sums), ends)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("depth", [1, 33, 2000])
def test_qdense(run, depth, ends):
    x, w, bias = drawn("int16", 9, depth), drawn("int8", 7, depth), drawn("int32", 7) >> 12
    x[-1], w[-1], bias[-1] = LOW, -128, 2**31 - 1  # the largest sum there is
    sums = torch.tensor(x).double() @ torch.tensor(w).double().T + torch.tensor(bias)
    found = run("qdense", x, w, bias, scales_of(sums), **LINEAR, **ends)
    assert_rounded(found, as_float(sums) * scales_of(sums), ends)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("shapes", [((300, 70), (300, 70)), ((9, 1, 70), (300, 1))])
@pytest.mark.parametrize("subtract", [False, True])
def test_qadd(run, shapes, subtract, ends):
    a, b = drawn("int16", *shapes[0]), drawn("int16", *shapes[1], seed=1)
    found = run("qadd", a, b, **PAIR, **ends, y_scale=0.0024, subtract=subtract)
    second = (-1 if subtract else 1) * 0.0017 / 0.0024
    scaled = torch.tensor(a).float() * (0.0031 / 0.0024) + torch.tensor(b).float() * second
    assert_rounded(found, scaled.numpy(), ends)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("shapes", [((300, 70), (300, 70)), ((9, 1, 70), (300, 1))])
def test_qmul(run, shapes, ends):
    a, b = drawn("int16", *shapes[0]), drawn("int16", *shapes[1], seed=1)
    factor = np.float32(0.0031) * np.float32(0.0017) / np.float32(0.05)
    found = run("qmul", a, b, **PAIR, **ends, y_scale=0.05)
    assert_rounded(found, as_float(torch.tensor(a).double() * torch.tensor(b)) * factor, ends)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize(("a_axes", "b_axes"), [*product(("mk", "km"), ("kn", "nk"))])
def test_qmatmul(run, a_axes, b_axes, ends):
    sizes = {"m": 9, "k": 50, "n": 11}
    a, b = drawn("int16", 3, *(sizes[k] for k in a_axes)), drawn("int16", *(sizes[k] for k in b_axes), seed=1)
    a[-1], b[:] = LOW, np.where(b == b.flat[0], LOW, b)
    sums = torch.einsum(f"z{a_axes},{b_axes}->zmn", torch.tensor(a).double(), torch.tensor(b).double())
    turned = {"transpose_a": a_axes == "km", "transpose_b": b_axes == "nk"}
    found = run("qmatmul", a, b, **PAIR, **ends, **turned, y_scale=0.6)
    assert_rounded(found, as_float(sums) * np.float32(0.0031 * 0.0017 / 0.6), ends)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("op", ["qsum", "qmean"])
@pytest.mark.parametrize("axis", [(1, 2), (-1,), (0, 3)])
def test_sums_and_means(run, op, axis, ends):
    x = drawn("int16", 4, 5, 6, 37)
    sums = torch.tensor(x).double().sum(axis)
    count = 1 if op == "qsum" else x.size // sums.numel()
    y_scale = 0.0031 * float(sums.abs().median()) / count / 2**15
    found = run(op, x, **LINE, **ends, axis=axis, y_scale=y_scale)
    assert_rounded(found, as_float(sums) * np.float32(0.0031 / y_scale / count), ends)


@pytest.mark.parametrize("value", [LOW, HIGH])
def test_the_longest_sum(run, value):
    found = run("qmean", np.full((1, 65535), value, np.int16), **LINE, axis=(1,), y_scale=0.0031)
    assert [a.tolist() for a in found] == [[value], [True]]
    with pytest.raises(ValueError, match="sums of 65536 numbers may exceed int32"):
        TOOLBOX.ops["qmean"].infer([TensorType(DType.I16, (65536,))], LINE | {"axis": (0,), "y_scale": 0.0031})


def rounded_away(x):
    return math.copysign(math.floor(abs(x) + Fraction(1, 2)), x)


@pytest.mark.parametrize(("rounding", "nearest"), [("float", round), ("double_rounding", rounded_away)])
def test_qavg_pool2d(run, rounding, nearest):
    x = drawn("int16", 2, 9, 8, 5)
    window = {"kernel": (4, 3), "strides": (2, 1), "padding": (1, 2, 3, 0)}
    (y,) = run("qavg_pool2d", x, **window, rounding=rounding)
    assert y.shape == (2, 5, 8, 5)
    for n, row, column, c in np.ndindex(y.shape):
        top, left = 2 * row - 1, column - 2
        part = x[n, max(top, 0) : top + 4, max(left, 0) : left + 3, c]
        assert y[n, row, column, c] == nearest(Fraction(int(part.sum(dtype=int)), part.size))


@pytest.mark.parametrize("ends", ENDS)
def test_scales_change(run, ends):
    every, pixels = np.arange(LOW, HIGH + 1, dtype=np.int16), np.arange(256, dtype=np.uint8)
    found = run("requantize", every, **LINE, **ends, y_scale=0.0024)
    assert_rounded(found, every.astype(np.float32) * np.float32(0.0031 / 0.0024), ends)
    found = run("requantize", pixels, **LINE | {"x_zero": 100}, **ends, y_scale=0.0000102)
    assert_rounded(found, (pixels - np.float32(100)) * np.float32(0.0031 / 0.0000102), ends)
    (real,) = run("dequantize", every, scale=0.0031, zero_point=0, bits=16)
    np.testing.assert_array_equal(real, torch.tensor(every).float() * 0.0031)
    found = run("quantize", real, **ends, scale=0.0024, zero_point=0, bits=16, mask=True)
    assert_rounded(found, real / np.float32(0.0024), ends)


FUNCTIONS = {
    "abs": torch.abs,
    "clip": lambda x: x.clamp(-0.51, 1.23),
    "elu": lambda x: functional.elu(x, 0.7),
    "exp": torch.exp,
    "gelu": functional.gelu,
    "hard_swish": functional.hardswish,
    "leaky_relu": lambda x: functional.leaky_relu(x, 0.1),
    "log": lambda x: x.clamp(0).log(),
    "neg": torch.neg,
    "rsqrt": lambda x: x.clamp(0).rsqrt(),
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "sqrt": lambda x: x.clamp(0).sqrt(),
    "tanh": torch.tanh,
}
ATTRIBUTES = {"clip": {"lo": -0.51, "hi": 1.23}, "elu": {"alpha": 0.7}, "leaky_relu": {"alpha": 0.1}}


@pytest.mark.parametrize(("y_scale", "ends"), [*zip([0.00003, 0.0002], ENDS, strict=True)])
@pytest.mark.parametrize("function", int8_functions.FUNCTIONS)
def test_qlookup(run, function, y_scale, ends):
    """Of all integers: the nearest to the function every 128, in between lines, within 1: half for each rounding."""
    low, high = ends.get("y_min", LOW), ends.get("y_max", HIGH)

    def exact(x):
        return (FUNCTIONS[function](torch.tensor(x).double() * 0.00019) / y_scale).numpy().clip(low, high)

    x = np.arange(LOW, HIGH + 1)
    attrs = {"x_scale": 0.00019, "x_zero": 0, "y_scale": y_scale, "y_zero": 0, "bits": 16, "function": function}
    (y,) = run("qlookup", x.astype(np.int16), **attrs, **ends, **ATTRIBUTES.get(function, {}))
    np.testing.assert_array_equal(y[::128], np.rint(exact(x[::128])))
    places = np.arange(LOW, HIGH + 2, 128)
    assert np.all(np.abs(y - np.interp(x, places, exact(places))) <= 1)
    # A line misses most of a curve that bends in the middle: a quarter of its length times the bend.
    bends = np.abs(np.diff(exact(np.arange(LOW - 1, HIGH + 2)), 2)).reshape(-1, 128)[:, 1:].sum(axis=1)
    assert np.all(np.abs(y - exact(x)) <= 1 + 32 * bends.repeat(128))


def holds_int16(op, example):
    return any(t.dtype is DType.I16 for t in (*example.types, *op.infer(example.types, example.attrs)))


# The first example with 16 bits, by the name of the op.
SIXTEEN = {op.name: e for op in OPS for e in reversed(op.examples) if e.attrs.get("bits") == 16 and holds_int16(op, e)}


def broken(attrs):
    """(attributes that break a rule, what the error says)"""
    zeros = [name for name in attrs if "zero" in name]
    return [
        ({"bits": 7}, "bits is 7, not 8 or 16"),
        *(({name: 3}, "with 16 bits float and 0") for name in zeros),
        ({"rounding": "double_rounding"}, "rounding double_rounding, .* with 16 bits float and 0"),
        ({"rounding": "single_rounding"}, "rounding single_rounding, .* with 16 bits float and 0"),
        ({"y_min": 5, "y_max": 4}, "y_min 5 and y_max 4 are no range of int16"),
        ({"y_max": 32768}, "y_min .* and y_max 32768 are no range of int16"),
        ({"y_min": -0.5}, "y_min -0.5 and y_max .* are no range of int16"),
    ]


@pytest.mark.parametrize("name", SIXTEEN)
def test_rules_of_16_bits(name):
    op, example = TOOLBOX.ops[name], SIXTEEN[name]
    op.infer(example.types, example.attrs)
    for change, error in broken(example.attrs):
        with pytest.raises(ValueError, match=error):
            op.infer(example.types, {**example.attrs, **change})


@pytest.mark.parametrize("name", SIXTEEN)
def test_operands_have_the_type_that_bits_says(name):
    op, example = TOOLBOX.ops[name], SIXTEEN[name]
    narrow = [TensorType(DType.I8, t.shape) if t.dtype is DType.I16 else t for t in example.types]
    plain = {k: v for k, v in example.attrs.items() if k not in ("bits", "y_min", "y_max")}
    if narrow != example.types:
        with pytest.raises(ValueError, match=r"i8\[.*\] is not int16"):
            op.infer(narrow, example.attrs)
        with pytest.raises(ValueError, match=r"i16\[.*\] is not int8"):
            op.infer(example.types, plain)
    op.infer(narrow, plain)
    for end in ("y_min", "y_max"):
        with pytest.raises(ValueError, match="y_min and y_max are for 16 bits"):
            op.infer(narrow, {**plain, end: 0})

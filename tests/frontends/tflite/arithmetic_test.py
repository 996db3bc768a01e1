"""Operators of two operands are TensorFlow's: int8 bit for bit, with broadcasting, constants and any scales."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from gradlet.ir.graph import Role
from gradlet.ir.requantize import multiply_fixed, quantize_multiplier
from gradlet.tests.frontends.tflite.imported import imported
from gradlet.tests.frontends.tflite.operators import (
    activation,
    check_float,
    check_int8,
    f32,
    floats,
    integers,
    refused,
    single,
)
from gradlet.tests.frontends.tflite.written import Step, Written, constant, written

# Scale and zero point of the operands and the result.
Scales = tuple[tuple[float, int], tuple[float, int], tuple[float, int]]
SUMS: list[Scales] = [
    ((0.03, 3), (0.02, -7), (0.05, 5)),
    ((0.07, -128), (0.02, 127), (0.021, 0)),
    ((0.0078, 0), (0.031, 9), (0.0156, -128)),
    ((1e-4, 3), (0.9, -4), (0.4, 5)),
]
PRODUCTS: list[Scales] = [
    ((0.03, 3), (0.02, -7), (0.05, 5)),
    ((0.0039, -128), (0.05, -7), (0.0039, 5)),
    ((0.031, 11), (0.0156, 127), (1.9, -128)),
    ((0.5, 0), (0.5, 0), (0.25, 0)),
]
SQUARES: list[Scales] = [
    ((0.03, 3), (0.02, -7), (0.2, -128)),
    ((0.007, -128), (0.02, 127), (0.05, -100)),
    ((0.031, 11), (0.031, -11), (0.4, 5)),
]
OPTIONS = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "DIV": "DivOptions"}
INT8 = [
    *((name, scales) for name in ("ADD", "SUB") for scales in SUMS),
    *((name, scales) for name in ("MUL", "PRELU") for scales in PRODUCTS),
    *(("SQUARED_DIFFERENCE", scales) for scales in SQUARES),
    *((name, ((0.02, 3),) * 3) for name in ("MAXIMUM", "MINIMUM")),
]
SHAPES = [
    ((2, 128, 256), (2, 128, 256)),
    ((2, 12, 12, 32), (2, 1, 1, 32)),
    ((2, 12, 12, 32), (32,)),
    ((5, 3, 7, 9), (3, 1, 9)),
    ((2, 7, 5, 33), (2, 7, 5, 1)),
    ((3, 7), (1,)),
]
# PRELU repeats only its slopes.
BOTH_WAYS = [((32,), (2, 12, 12, 32)), ((3, 1, 5), (4, 1))]


def case(name: str, scales: Scales, shapes: Sequence[Sequence[int]]) -> tuple[list[Written], Written]:
    operands = [activation(s, f32(scale), zero) for s, (scale, zero) in zip(shapes, scales, strict=False)]
    return operands, activation(np.broadcast_shapes(*map(tuple, shapes)), f32(scales[2][0]), scales[2][1])


@pytest.mark.parametrize("shapes", SHAPES + BOTH_WAYS, ids=str)
@pytest.mark.parametrize(("name", "scales"), INT8, ids=str)
def test_int8(name, scales, shapes):
    if name == "PRELU" and shapes in BOTH_WAYS:
        return
    x, y = case(name, scales, shapes)
    data = single(name, x, y, table=OPTIONS.get(name, ""))
    check_int8(data, y, *(integers(s, k) for k, s in enumerate(shapes)))


@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL", "PRELU", "SQUARED_DIFFERENCE", "MAXIMUM", "MINIMUM"])
@pytest.mark.parametrize("zeros", [(0, 0, 0), (3, -7, 5), (-128, 127, -128)])
def test_int8_of_all_numbers(name, zeros):
    """All pairs of int8; scales are drawn."""
    rng = np.random.default_rng(list(map(abs, zeros)))
    for _ in range(4):
        s1, s2 = rng.uniform(0.004, 0.05, 2)
        result = {"MUL": s1 * s2 * 100, "SQUARED_DIFFERENCE": 100 * s1 * s2}.get(name, s1 + s2) * rng.uniform(0.5, 2)
        scales = ((s1, zeros[0]), (s2, zeros[1]), (result, zeros[2]))
        if name in ("MAXIMUM", "MINIMUM"):
            scales = ((s1, zeros[0]),) * 3
        x, y = case(name, scales, [(256, 1), (1, 256)] if name != "PRELU" else [(256, 256)] * 2)
        every = np.arange(-128, 128, dtype=np.int8)
        feeds = np.broadcast_arrays(every[:, None], every) if name == "PRELU" else (every[:, None], every[None])
        check_int8(single(name, x, y, table=OPTIONS.get(name, "")), y, *map(np.ascontiguousarray, feeds))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL", "SQUARED_DIFFERENCE"])
def test_an_int8_constant_is_an_operand_that_stays(name, first):
    shapes = [(16,), (2, 6, 5, 16)] if first else [(2, 6, 5, 16), (16,)]
    operands, y = case(name, ((0.03, 3), (0.02, -7), (0.05, 5)), shapes)
    k = 0 if first else 1
    operands[k] = constant(integers((16,), 4), scales=operands[k].scales, zero=operands[k].zero)
    data = with_input(1 - k, name, operands, y)
    check_int8(data, y, integers((2, 6, 5, 16), 1))
    (state,) = imported(data).graph.states
    assert state.role is Role.BUFFER and not state.trainable and state.value.type.quant is not None


def with_input(number: int, name: str, operands: Sequence[Written], y: Written) -> bytes:
    """A model of one operator, of whose operands only this one is no constant."""
    step = Step(name, range(len(operands)), [len(operands)], OPTIONS.get(name, ""))
    return written([*operands, y], [step], [number], [len(operands)])


@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL"])
def test_int8_with_an_activation(name):
    x, y = case(name, ((0.03, 3), (0.02, -7), (0.02, -128)), [(2, 6, 400), (400,)])
    data = single(name, x, y, table=OPTIONS[name], fusedActivationFunction=1)
    check_int8(data, y, integers((2, 6, 400), 1), integers((400,), 2))


def test_products_are_scaled_as_floats_of_32_bits_are():
    """Scales whose exact quotient would round some product otherwise."""
    rng, found = np.random.default_rng(0), 0
    every = np.arange(-128, 128, dtype=np.int8)
    products = np.unique(np.multiply.outer(every.astype(np.int64), every))
    while found < 4:
        s1, s2 = (np.float32(s) for s in rng.uniform(0.01, 0.05, 2))
        sy = np.float32(s1 * s2 * rng.uniform(100, 130))
        factors = float(s1 * s2 / sy), float(s1) * float(s2) / float(sy)
        rounded = [multiply_fixed(products, *map(np.array, quantize_multiplier(f)), "double_rounding") for f in factors]
        if np.array_equal(*rounded):
            continue
        found += 1
        x, y = case("MUL", ((float(s1), 0), (float(s2), 0), (float(sy), 0)), [(256, 1), (1, 256)])
        check_int8(single("MUL", x, y, table="MulOptions"), y, every[:, None], every[None])


FLOAT_SHAPES = [((2, 6, 5, 4), (2, 6, 5, 4)), ((2, 6, 5, 4), (2, 1, 1, 4)), ((4,), (2, 3, 4)), ((3, 1, 5), (4, 1))]
FLOAT = ["ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE"]


@pytest.mark.parametrize("shapes", FLOAT_SHAPES, ids=str)
@pytest.mark.parametrize("name", FLOAT)
def test_float(name, shapes):
    y = Written(np.broadcast_shapes(*shapes), "float32")
    x = [Written(s, "float32") for s in shapes]
    table = OPTIONS.get(name, "")
    a, b = floats(shapes[0], 1), floats(shapes[1], 2)
    check_float(single(name, x, y, table=table), a, b + np.copysign(0.5, b).astype(np.float32))


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("name", ["ADD", "SUB", "MUL", "DIV"])
def test_float_with_an_activation(name, number):
    x, table = Written((2, 60), "float32"), f"{name[0]}{name[1:].lower()}Options"
    data = single(name, [x, x], x, table=table, fusedActivationFunction=number)
    check_float(data, 4 * floats((2, 60), 1), 1 + np.abs(floats((2, 60), 2)))


@pytest.mark.parametrize(("name", "learns"), [("ADD", True), ("MUL", True), ("DIV", True), ("POW", False)])
def test_float_constants(name, learns):
    """Of one element they are numbers; others learn, but for exponents."""
    x = Written((3, 5), "float32")
    table = "" if name == "POW" else f"{name[0]}{name[1:].lower()}Options"
    for content in (np.float32([[2.5]]), np.float32([1, 2, 3, 0.5, -2])):
        data = single(name, [x], x, [constant(content)], table=table)
        check_float(data, np.abs(floats((3, 5))) + 0.1)
        (state,) = imported(data).graph.states
        assert state.trainable == (learns and content.size > 1)


@pytest.mark.parametrize("name", ["SUB", "DIV", "MAXIMUM", "POW"])
def test_a_float_constant_comes_first(name):
    x = Written((3, 5), "float32")
    data = with_input(1, name, [constant(np.array([1, 2, 3, 0.5, 2], np.float32)), x], x)
    check_float(data, np.abs(floats((3, 5))) + 0.1)


def test_powers():
    x, y = Written((4, 50), "float32"), Written((4, 50), "float32")
    data = single("POW", [x, x], y)
    check_float(data, np.abs(floats((4, 50), 1)) + 0.05, 2 * floats((4, 50), 2))
    check_float(data, floats((4, 50), 1) + 3, np.rint(2 * floats((4, 50), 2)))


def test_prelu():
    x, slopes = Written((2, 6, 5, 4), "float32"), constant(floats((1, 1, 4), 1))
    data = single("PRELU", [x], x, [slopes])
    check_float(data, floats((2, 6, 5, 4)))
    assert [s.trainable for s in imported(data).graph.states] == [True]


def test_sums_of_several():
    x = Written((3, 5), "float32")
    check_float(single("ADD_N", [x] * 4, x, table=""), *(floats((3, 5), k) for k in range(4)))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("DIV", "DIV: in int8: TensorFlow Lite's kernel stops at divisors that are stored as 0"),
        ("POW", "POW: in int8"),
        ("ADD_N", "ADD_N: in int8"),
        ("MAXIMUM", "MAXIMUM: in int8 with operands and result of different scales"),
    ],
)
def test_int8_that_is_not_supported(name, reason):
    x, y = case(name, SUMS[0], [(2, 6), (2, 6)])
    assert reason in refused(single(name, x, y)).what

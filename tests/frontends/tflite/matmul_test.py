"""Products of matrices are TensorFlow's: int8 bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
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
from gradlet.tests.frontends.tflite.written import Written, constant

TABLE = "BatchMatMulOptions"
# Operands as they are without being transposed.
SHAPES = {
    "matrices": ((60, 33), (33, 70)),
    "batch": ((3, 40, 9), (3, 9, 50)),
    "two_axes_of_a_batch": ((2, 3, 14, 9), (2, 3, 9, 15)),
    "shared_right": ((3, 40, 9), (9, 50)),
    "shared_left": ((40, 9), (3, 9, 50)),
    "batch_of_one": ((3, 40, 9), (1, 9, 50)),
    "broadcast": ((2, 1, 14, 9), (3, 9, 15)),
    "a_vector": ((4, 1, 128), (4, 128, 40)),
}
ADJOINT = [(False, False), (True, False), (False, True), (True, True)]
# TensorFlow 2.21 reads past the end of a batch of one beside a transposed left operand.
CASES = [(name, *adj) for name in SHAPES for adj in ADJOINT if name != "batch_of_one" or not adj[0]]


def operands(name: str, adj_x: bool, adj_y: bool) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    x, y = SHAPES[name]
    result = (*np.broadcast_shapes(x[:-2], y[:-2]), x[-2], y[-1])
    turned = [(*s[:-2], s[-1], s[-2]) if adj else s for s, adj in (((x), adj_x), ((y), adj_y))]
    return turned, result


@pytest.mark.parametrize(("name", "adj_x", "adj_y"), CASES)
def test_int8(name, adj_x, adj_y):
    shapes, result = operands(name, adj_x, adj_y)
    x = [activation(s, f32(scale), zero) for s, (scale, zero) in zip(shapes, [(0.02, 3), (0.031, -7)], strict=True)]
    y = activation(result, f32(0.31), 5)
    data = single("BATCH_MATMUL", x, y, table=TABLE, adjX=adj_x, adjY=adj_y)
    check_int8(data, y, *(integers(s, k) for k, s in enumerate(shapes)))


@pytest.mark.parametrize("scales", [(0.5, 0.25, 2.0), (0.013, 0.017, 0.0731), (0.0041, 0.9, 0.21)])
def test_int8_rounding(scales):
    """Many results."""
    s1, s2, sy = map(f32, scales)
    x = [activation((700, 5), s1, -128), activation((5, 600), s2, 127)]
    y = activation((700, 600), sy, -9)
    check_int8(single("BATCH_MATMUL", x, y, table=TABLE), y, integers((700, 5), 1), integers((5, 600), 2))


@pytest.mark.parametrize("shape", [(9, 50), (3, 9, 50)])
def test_an_int8_constant_is_an_operand_that_stays(shape):
    y = activation((3, 40, 50), f32(0.31), 5)
    right = constant(integers(shape), scales=[f32(0.031)], zero=-7)
    data = single("BATCH_MATMUL", [activation((3, 40, 9), f32(0.02), 3)], y, [right], table=TABLE)
    check_int8(data, y, integers((3, 40, 9), 1))
    assert not any(state.trainable for state in imported(data).graph.states)


@pytest.mark.parametrize(("name", "adj_x", "adj_y"), CASES)
def test_float(name, adj_x, adj_y):
    shapes, result = operands(name, adj_x, adj_y)
    x, y = [Written(s, "float32") for s in shapes], Written(result, "float32")
    data = single("BATCH_MATMUL", x, y, table=TABLE, adjX=adj_x, adjY=adj_y)
    check_float(data, *(floats(s, k) for k, s in enumerate(shapes)))


def test_a_float_constant_learns():
    x, y = Written((3, 40, 9), "float32"), Written((3, 40, 50), "float32")
    data = single("BATCH_MATMUL", [x], y, [constant(floats((9, 50)))], table=TABLE)
    check_float(data, floats((3, 40, 9), 1))
    assert [state.trainable for state in imported(data).graph.states] == [True]


def test_dense_with_weights_that_are_computed():
    table = "FullyConnectedOptions"
    x = [Written((20, 9), "float32"), Written((30, 9), "float32")]
    check_float(
        single("FULLY_CONNECTED", x, Written((20, 30), "float32"), table=table), floats((20, 9)), floats((30, 9), 1)
    )
    q, y = (
        [activation((200, 9), f32(0.02), 3), activation((300, 9), f32(0.031), -7)],
        activation((200, 300), f32(0.31), 5),
    )
    check_int8(single("FULLY_CONNECTED", q, y, table=table), y, integers((200, 9)), integers((300, 9), 1))
    bias = constant(np.zeros(300, np.int32), scales=[f32(np.float32(0.02) * np.float32(0.031))])
    error = refused(single("FULLY_CONNECTED", q, y, [bias], table=table))
    assert "in int8 with a bias and weights that are no constant" in error.what


@pytest.mark.parametrize(("x", "y"), [((2, 3, 4), (3, 4, 5)), ((3, 4), (5, 6)), ((4,), (4, 5))])
def test_matrices_that_do_not_fit(x, y):
    data = single(
        "BATCH_MATMUL", [Written(x, "float32"), Written(y, "float32")], Written((3, 5), "float32"), table=TABLE
    )
    with pytest.raises(CompileError) as caught:
        imported(data)
    assert caught.value.code == "GL118"

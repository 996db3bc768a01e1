"""Padding never wins in a maximum over integers, whose smallest number an image may hold."""

import numpy as np
import pytest

from gradlet.backends.tvm.session import TvmSession
from gradlet.ir.graph import Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType, TensorType, f32
from gradlet.optimizers.passes.place_buffers import place
from gradlet.tests.ops.cases import TOOLBOX

ATTRS = {"kernel": (3, 3), "strides": (2, 2), "padding": (1, 1, 1, 1)}


@pytest.mark.parametrize("dtype", [DType.I8, DType.I16], ids=str)
def test_padded_pooling_and_its_gradient_are_what_numpy_says(dtype):
    graph = Graph("pool")
    x, g = graph.add_input("x", TensorType(dtype, (1, 5, 6, 3))), graph.add_input("g", f32(1, 3, 3, 3))
    emit = Emit(TOOLBOX.ops, graph)
    graph.outputs = [emit("max_pool2d", x, **ATTRS), emit("max_pool2d_grad", g, x, **ATTRS)]
    graph.plan = place(graph, TOOLBOX.ops, 16, "best")
    rng = np.random.default_rng(0)
    lowest = np.iinfo(dtype.value).min
    image = rng.integers(lowest, lowest + 8, x.type.shape).astype(dtype.numpy)
    image[:, :2, :2] = lowest
    gradient = rng.integers(-9, 9, g.type.shape).astype(np.float32)
    found = TvmSession(Program(graph), TOOLBOX).infer({"x": image, "g": gradient})
    expected = [
        TOOLBOX.ops["max_pool2d"].evaluate([image], ATTRS),
        TOOLBOX.ops["max_pool2d_grad"].evaluate([gradient, image], ATTRS),
    ]
    for value, (array,) in zip(graph.outputs, expected, strict=True):
        np.testing.assert_array_equal(found[value.name], array)

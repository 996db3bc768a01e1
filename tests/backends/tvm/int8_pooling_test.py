"""Padding never wins in a maximum over int8, whose smallest number an image may hold."""

import numpy as np

from gradlet.backends.tvm.session import TvmSession
from gradlet.ir.graph import Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.program import Program
from gradlet.ir.tensor_type import DType, TensorType, f32
from gradlet.optimizers.passes.place_buffers import place
from gradlet.tests.ops.cases import TOOLBOX

ATTRS = {"kernel": (3, 3), "strides": (2, 2), "padding": (1, 1, 1, 1)}


def test_padded_int8_pooling_and_its_gradient_are_what_numpy_says():
    graph = Graph("pool")
    x, g = graph.add_input("x", TensorType(DType.I8, (1, 5, 6, 3))), graph.add_input("g", f32(1, 3, 3, 3))
    emit = Emit(TOOLBOX.ops, graph)
    graph.outputs = [emit("max_pool2d", x, **ATTRS), emit("max_pool2d_grad", g, x, **ATTRS)]
    graph.plan = place(graph, TOOLBOX.ops, 16, "best")
    rng = np.random.default_rng(0)
    image = rng.integers(-128, -120, x.type.shape).astype(np.int8)
    image[:, :2, :2] = -128
    gradient = rng.integers(-9, 9, g.type.shape).astype(np.float32)
    found = TvmSession(Program(graph), TOOLBOX).infer({"x": image, "g": gradient})
    expected = [
        TOOLBOX.ops["max_pool2d"].evaluate([image], ATTRS),
        TOOLBOX.ops["max_pool2d_grad"].evaluate([gradient, image], ATTRS),
    ]
    for value, (array,) in zip(graph.outputs, expected, strict=True):
        np.testing.assert_array_equal(found[value.name], array)

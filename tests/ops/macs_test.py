"""Costs of linear ops are what counting their multiplications by hand gives."""

import pytest

from gradlet.ir.graph import Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.plugin import load
from gradlet.ir.tensor_type import f32

SAME = {"strides": (1, 1), "padding": (1, 1, 1, 1)}


@pytest.mark.parametrize(
    ("op", "types", "attrs", "macs"),
    [
        ("dense", [f32(2, 3), f32(5, 3), f32(5)], {}, 2 * 3 * 5),
        ("dense_weight_grad", [f32(7, 2, 5), f32(7, 2, 3)], {}, 7 * 2 * 5 * 3),
        ("matmul", [f32(7, 3, 2), f32(3, 5)], {"transpose_a": True}, 7 * 2 * 3 * 5),
        ("conv2d", [f32(1, 6, 7, 4), f32(8, 3, 3, 2)], SAME | {"groups": 2}, 6 * 7 * 8 * 3 * 3 * 2),
        (
            "conv2d_input_grad",
            [f32(1, 6, 7, 8), f32(8, 3, 3, 4)],
            SAME | {"input_shape": (1, 6, 7, 4)},
            6 * 7 * 8 * 9 * 4,
        ),
        ("conv2d_weight_grad", [f32(1, 6, 7, 4), f32(1, 6, 7, 8)], SAME | {"kernel": (3, 3)}, 6 * 7 * 8 * 9 * 4),
        ("depthwise_conv2d", [f32(1, 6, 7, 4), f32(3, 3, 8)], SAME, 6 * 7 * 8 * 9),
        (
            "depthwise_conv2d_input_grad",
            [f32(1, 6, 7, 8), f32(3, 3, 8)],
            SAME | {"input_shape": (1, 6, 7, 4)},
            6 * 7 * 8 * 9,
        ),
        ("depthwise_conv2d_weight_grad", [f32(1, 6, 7, 4), f32(1, 6, 7, 8)], SAME | {"kernel": (3, 3)}, 6 * 7 * 8 * 9),
    ],
)
def test_macs(op, types, attrs, macs):
    graph, ops = Graph("cost"), load(installed=False).ops
    node = Emit(ops, graph).node(op, *(graph.add_input(f"x{i}", t) for i, t in enumerate(types)), **attrs)
    assert ops[op].macs(node) == macs

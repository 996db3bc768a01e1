"""matmul, dense and bias_add refuse shapes that do not multiply, and say why."""

import pytest

from gradlet.ir.graph import Graph
from gradlet.ir.op_def import Emit
from gradlet.ir.ops.bias_add import BIAS_ADD
from gradlet.ir.ops.dense import DENSE, DENSE_WEIGHT_GRAD
from gradlet.ir.ops.matmul import MATMUL
from gradlet.ir.plugin import load
from gradlet.ir.tensor_type import f32


@pytest.mark.parametrize(
    ("op", "types", "attrs", "message"),
    [
        (MATMUL, [f32(2, 3), f32(4, 5)], {}, r"f32\[2,3\] and f32\[4,5\] do not multiply: 3 columns against 4 rows"),
        (MATMUL, [f32(2, 3), f32(4, 3)], {"transpose_a": True, "transpose_b": True}, "2 columns against 3 rows"),
        (MATMUL, [f32(2, 2, 3), f32(5, 3, 4)], {}, "differ in their leading axes, and neither has none"),
        (MATMUL, [f32(3), f32(3, 4)], {}, "both need two axes or more"),
        (DENSE, [f32(2, 3), f32(5, 4)], {}, "3 features against 4"),
        (DENSE, [f32(2, 3), f32(5, 3), f32(3)], {}, r"bias f32\[3\] does not match 5 output channels"),
        (DENSE, [f32(3), f32(5, 3)], {}, "needs two axes or more"),
        (DENSE, [f32(2, 3)], {}, "wants 2 or 3 operands, got 1"),
        (DENSE_WEIGHT_GRAD, [f32(2, 3), f32(4, 3)], {}, "differ in their leading axes"),
        (BIAS_ADD, [f32(2, 3), f32(2)], {}, r"bias f32\[2\] does not match the last axis of f32\[2,3\]"),
    ],
)
def test_refuses(op, types, attrs, message):
    with pytest.raises(ValueError, match=message):
        op.infer(types, attrs)


@pytest.mark.parametrize("transpose_b", [False, True])
def test_gradient_of_a_matrix_that_a_batch_shares_is_one_product(transpose_b):
    """Not a product for each of the batch, summed: that would hold as many gradients at once."""
    graph = Graph("shared")
    emit = Emit(load(installed=False).ops, graph)
    a, b = graph.add_input("a", f32(7, 2, 3)), graph.add_input("b", f32(4, 3) if transpose_b else f32(3, 4))
    node = emit.node("matmul", a, b, transpose_b=transpose_b)
    _, db = MATMUL.gradient(emit, node, [graph.add_input("g", f32(7, 2, 4))])
    assert (db.producer.op, db.type) == ("dense_weight_grad", b.type)

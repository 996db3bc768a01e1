"""What only constants go into is computed when the model is imported; what would make large ones of small is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
from gradlet.tests.frontends.tflite.imported import computed, imported
from gradlet.tests.frontends.tflite.written import Step, Written, constant, interpreted, written


def _i32(*numbers: Any) -> np.ndarray:
    return np.array(numbers[0] if len(numbers) == 1 else numbers, np.int32)


def test_arithmetic_of_shapes_is_done_at_once():
    """As TensorFlow writes `tf.tile(x, [1, 2 * columns])` and `tf.ones([rows, columns])`: nothing of it is left."""
    shape = (2, 3)
    tensors = {
        "x": Written(shape, "float32"),
        "shape": Written((2,), "int32"),
        "zero": constant(_i32([0])),
        "one": constant(_i32([1])),
        "two": constant(_i32([2])),
        "columns": Written((), "int32"),
        "double": Written((), "int32"),
        "single": constant(_i32(1)),
        "counts": Written((2,), "int32"),
        "tiled": Written((2, 18), "float32"),
        "dims": Written((2,), "int32"),
        "factor": constant(_i32(1, 6)),
        "value": constant(np.float32(0.5)),
        "filled": Written((2, 18), "float32"),
        "y": Written((2, 18), "float32"),
    }
    at = list(tensors).index
    steps = [
        Step("SHAPE", [at("x")], [at("shape")], "ShapeOptions", {"outType": 2}),
        Step(
            *("STRIDED_SLICE", [at("shape"), at("one"), at("two"), at("one")], [at("columns")]),
            *("StridedSliceOptions", {"shrinkAxisMask": 1}),
        ),
        Step("ADD", [at("columns"), at("columns")], [at("double")], "AddOptions"),
        Step("PACK", [at("single"), at("double")], [at("counts")], "PackOptions", {"axis": 0, "valuesCount": 2}),
        Step("TILE", [at("x"), at("counts")], [at("tiled")]),
        Step("MUL", [at("shape"), at("factor")], [at("dims")], "MulOptions"),
        Step("FILL", [at("dims"), at("value")], [at("filled")]),
        Step("ADD", [at("tiled"), at("filled")], [at("y")], "AddOptions"),
    ]
    data = written(list(tensors.values()), steps, [0], [at("y")])
    program = imported(data)
    assert {node.op for node in program.graph.nodes} == {"reshape", "broadcast_to", "add"}
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.testing.assert_array_equal(computed(program, x), interpreted(data, x))


@pytest.mark.parametrize("numbers", [(2, 9, 3), (5, -3, -2), (0, 4, 1)])
@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_range(numbers, dtype):
    arrays = [np.array(n, dtype) for n in numbers]
    count = len(range(*numbers))
    tensors = [Written((count,), dtype), *map(constant, arrays), Written((count,), dtype)]
    casts = [Written((count,), "float32")] * 3
    steps = [
        Step("RANGE", [1, 2, 3], [4]),
        Step("CAST", [4], [5], "CastOptions"),
        Step("CAST", [0], [6], "CastOptions"),
    ]
    data = written([*tensors, *casts], [*steps, Step("ADD", [5, 6], [7], "AddOptions")], [0], [7])
    x = np.arange(count).astype(dtype)
    np.testing.assert_array_equal(computed(imported(data), x), interpreted(data, x))


def test_large_sums_of_constants_are_not_made():
    """Of a column and a row, each small."""
    for dtype in ("int32", "float32"):
        column, row, y = np.zeros((2**14, 1), dtype), np.zeros((1, 2**14), dtype), Written((2**14, 1), dtype)
        tensors = [Written((1,), "float32"), constant(column), constant(row), y, Written((2**14, 1), "float32")]
        casts = [Written((2**14, 1), "float32")]
        steps = [Step("ADD", [1, 2], [3], "AddOptions"), Step("CAST", [3], [4], "CastOptions")]
        data = written([*tensors, *casts], [*steps, Step("ADD", [0, 4], [5], "AddOptions")], [0], [5])
        with pytest.raises(CompileError, match=r"ADD of constants|268,435,456 elements"):
            imported(data)


@pytest.mark.parametrize(("op", "count"), [("FILL", 2**26), ("BROADCAST_TO", 2**26)])
def test_large_constants_are_not_made(op, count):
    """Of three constants, 512 MB would come."""
    value = constant(np.array([0.5], np.float32))
    operands = [constant(_i32([count])), value] if op == "FILL" else [value, constant(_i32([count]))]
    tensors = [Written((1,), "float32"), *operands, Written((count,), "float32"), Written((count,), "float32")]
    data = written(tensors, [Step(op, [1, 2], [3]), Step("ADD", [0, 3], [4], "AddOptions")], [0], [4])
    with pytest.raises(CompileError, match="a constant of 67,108,864 elements") as caught:
        imported(data)
    assert caught.value.code == "GL105"

"""The type rule, the numpy meaning and the promises of every op, on its examples."""

import warnings

import numpy as np
import pytest

from gradlet.ir.graph import Graph
from gradlet.ir.op_def import Emit, OpDef
from gradlet.ir.tensor_type import TensorType, dtype_of, f32
from gradlet.ir.verifier import verify
from gradlet.tests.ops.cases import CASES, OPS, TOOLBOX, Case, doubled, graph_of

# What yields an element type that an attribute names, whatever it is given.
NAMES_ITS_TYPE = {"cast", "full"}


@pytest.fixture(autouse=True)
def strict():
    """An op that divides by zero on its own examples, or overflows, is wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def evaluated(case: Case, arguments: list[np.ndarray]) -> list[np.ndarray]:
    return [np.asarray(r) for r in case.op.evaluate(arguments, case.example.attrs)]


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_op_has_examples(op: OpDef):
    assert op.examples, f"{op.name} has no example: nothing tests it"


# Rounds floats: its gradient is the slope of no float function. quantize_test.py has it.
STRAIGHT_THROUGH = {"quantize"}


@pytest.mark.parametrize(
    "op", [op for op in OPS if op.gradient and op.name not in STRAIGHT_THROUGH], ids=lambda op: op.name
)
def test_op_with_gradient_has_it_checked(op: OpDef):
    assert any(e.differentiable for e in op.examples)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_sample_has_the_types_of_the_example(case: Case):
    drawn = [(dtype_of(a), a.shape) for a in case.arguments()]
    assert drawn == [(t.dtype, t.shape) for t in case.example.types]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_inferred_types_are_those_of_the_results(case: Case):
    inferred = case.op.infer(case.example.types, case.example.attrs)
    results = evaluated(case, case.arguments())
    assert [(t.dtype, t.shape) for t in inferred] == [(dtype_of(r), r.shape) for r in results]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_meaning_is_a_function_of_its_arguments(case: Case):
    arguments = case.arguments()
    before = [a.copy() for a in arguments]
    first, second = evaluated(case, arguments), evaluated(case, arguments)
    assert all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(first, second, strict=True))
    assert all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(arguments, before, strict=True))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_float64_stays_float64_and_agrees(case: Case):
    single, double = evaluated(case, case.arguments()), evaluated(case, doubled(case.arguments()))
    takes_floats = any(t.dtype.is_float for t in case.example.types)
    for s, d in zip(single, double, strict=True):
        if s.dtype == np.float32 and takes_floats and case.op.name not in NAMES_ITS_TYPE:
            assert d.dtype == np.float64
        np.testing.assert_allclose(s, d, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_overwritten_operand_has_the_type_of_the_output(case: Case):
    outputs = case.op.infer(case.example.types, case.example.attrs)
    assert all(
        outputs[o] == case.example.types[i]
        for o, i in case.op.overwritten(len(outputs), len(case.example.types)).items()
    )
    for output, lenders in case.op.may_overwrite.items():
        assert output < len(outputs)
        assert all(i < len(case.example.types) or i >= _fewest_operands(case.op) for i in lenders)


def _fewest_operands(op: OpDef) -> int:
    return min(len(e.types) for e in op.examples)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_node_verifies(case: Case):
    verify(graph_of(case), TOOLBOX.ops)


@pytest.mark.parametrize("case", [c for c in CASES if c.op.name != "concat"], ids=str)
def test_too_many_operands_are_refused(case: Case):
    with pytest.raises(ValueError, match=r"."):
        case.op.infer([*case.example.types, *[f32(7, 5)] * 3], case.example.attrs)


@pytest.mark.parametrize("case", [c for c in CASES if c.example.types], ids=str)
def test_slice_of_output_is_op_on_slices(case: Case):
    graph = graph_of(case)
    through = case.op.slices(graph.nodes[0])
    arguments = case.arguments()
    whole = evaluated(case, arguments)[0]
    for axis, inputs in through.items():
        begin, end = whole.shape[axis] // 3, whole.shape[axis]
        sliced = list(arguments)
        for index, input_axis in inputs:
            sliced[index] = sliced[index][(slice(None),) * input_axis + (slice(begin, end),)]
        part = (slice(None),) * axis + (slice(begin, end),)
        types = [TensorType(dtype_of(a), a.shape) for a in sliced]
        inferred = case.op.infer(types, case.example.attrs)
        assert inferred[0].shape == whole[part].shape, f"output axis {axis}"
        np.testing.assert_allclose(evaluated(case, sliced)[0], whole[part], rtol=1e-6, atol=1e-6)


def test_emit_names_the_op_and_the_place():
    from gradlet.ir.errors import CompileError

    graph = Graph("bad")
    emit = Emit(TOOLBOX.ops, graph, loc="head.norm")
    with pytest.raises(CompileError, match=r"(?s)GL002.*add: f32\[2,3\] and f32\[4\].*head.norm"):
        emit("add", graph.add_input("a", f32(2, 3)), graph.add_input("b", f32(4)))

"""What is printed reads back; what does not parse is an error with its place."""

import numpy as np
import pytest

from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Graph, Node, Value
from gradlet.ir.parser import parse_graph
from gradlet.ir.tensor_type import DType, QuantParams, TensorType, f32
from gradlet.ir.verifier import verify
from gradlet.tests.ir.small_graph import step, toolbox

INF = float("inf")


def test_a_step_reads_back():
    tools = toolbox()
    graph = step(tools)
    again = parse_graph(str(graph), {s.name: s.init for s in graph.states})
    verify(again, tools.ops)
    assert str(again) == str(graph)
    assert again.states[1].region == graph.states[1].region
    np.testing.assert_array_equal(again.states[0].init, graph.states[0].init)


def test_the_notation_is_the_field_s():
    text = str(step(toolbox()))
    assert "state %head.weight: Tensor[(3, 8), float32, needs_grad=0.5[:, 0:4]]" in text
    assert "%head.weight' = sgd(%head.weight, %5, %lr, axis=1, begin=0, end=4)" in text
    assert "writes %head.weight[:, 0:4]  // head" in text


@pytest.mark.parametrize(
    "value",
    [
        0,
        -3,
        1.5,
        -1e-30,
        1e300,
        INF,
        -INF,
        True,
        False,
        "same",
        "two words",
        'a "b" \\ c\n',
        "inf",
        "True",
        "",
        (1, 2),
        (-1,),
        (0.5, INF),
    ],
)
def test_attributes_read_back(value):
    graph = Graph("g")
    x = graph.add_input("x", f32(2))
    graph.append(Node("relu", [x], [Value("0", f32(2))], {"a": value}, loc="body.0: odd, place"))
    read = parse_graph(str(graph)).nodes[0]
    assert read.attrs["a"] == value
    assert type(read.attrs["a"]) is type(value)
    assert read.loc == "body.0: odd, place"


def test_quantised_types_read_back():
    graph = Graph("g")
    graph.add_input("x", TensorType(DType.I8, (2, 3), QuantParams((0.1,), (-128,))))
    graph.add_input("w", TensorType(DType.I8, (2, 3), QuantParams((0.1, 3e-9), (0, 0), 0)))
    again = parse_graph(str(graph))
    assert [v.type for v in again.inputs] == [v.type for v in graph.inputs]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("relu", "relu)", "is expected"),
        ("float32", "float33", "float33 is no element type"),
        ("%x, %body", "%y, %body", "%y is not defined"),
        ("%1 =", "%0 =", "%0 is defined a second time"),
        ("state %head", "estate %head", "estate is no role of a state"),
        ("return", "", "is expected"),
        ("(4, 6)", "(4, 6.5)", "6.5 is no integer"),
        ("(4, 6)", "(4, 6", "is expected"),
        ("{", "§", "'§' is not expected"),
    ],
)
def test_errors_have_a_place(old, new, complaint):
    text = str(step(toolbox()))
    assert old in text
    with pytest.raises(CompileError, match=complaint) as caught:
        parse_graph(text.replace(old, new, 1))
    assert caught.value.code == "GL009"
    assert caught.value.where.startswith("line ")


def test_no_prefix_of_a_graph_is_one():
    text = str(step(toolbox())).rstrip()
    for end in range(len(text)):
        with pytest.raises(CompileError, match="GL009"):
            parse_graph(text[:end])

"""What is not supported is told in a line for each kind, with its tensors, and with what to do."""

from __future__ import annotations

import numpy as np
import pytest

from gradlet.frontends.tflite.problems import REPLACE
from gradlet.tests.frontends.tflite.operators import activation, refused
from gradlet.tests.frontends.tflite.written import Step, Written, constant, written
from gradlet.tests.small_tflite import flatbuffer, small_model

X = Written((2, 6), "float32")

OPERATORS = {
    "IF": ("IF (control flow) at t1", "write loops out"),
    "WHILE": ("WHILE (control flow) at t1", "write loops out"),
    "READ_VARIABLE": ("READ_VARIABLE (resource variables) at t1", "make the variables constants"),
    "HASHTABLE_FIND": ("HASHTABLE_FIND (tables and strings) at t1", "look words up before the model"),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": ("UNIDIRECTIONAL_SEQUENCE_LSTM (recurrent layers) at t1", "`unroll=True`"),
    "SVDF": ("SVDF (recurrent layers) at t1", "`unroll=True`"),
    "CUMSUM": ("CUMSUM at t1", "bring a converter in a plugin"),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_of_a_kind(name):
    line, hint = OPERATORS[name]
    error = refused(written([X, X], [Step(name, [0], [1])], [0], [1]))
    assert error.what == f"not supported:\n  {line}" and hint in error.hint and error.where == "t1"


@pytest.mark.parametrize(
    ("custom", "line", "hint"),
    [
        ("MyOp", "CUSTOM:MyOp at t1", REPLACE),
        ("FlexRoll", "CUSTOM:FlexRoll (TensorFlow's own) at t1", "convert without `SELECT_TF_OPS`"),
    ],
)
def test_custom_operators(custom, line, hint):
    error = refused(written([X, X], [Step("CUSTOM", [0], [1], custom=custom)], [0], [1]))
    assert error.what == f"not supported:\n  {line}" and hint in error.hint


TENSORS = {
    "a size that is open": (
        *(Written((2, 6), "float32", signature=(2, -1)), "sizes that are open, besides the batch at t0"),
        "give the sizes before the conversion",
    ),
    "strings": (Written((2, 6), "string"), "elements of type STRING at t0", "look words up before the model"),
    "resources": (Written((2, 6), "resource"), "elements of type RESOURCE at t0", "make the variables constants"),
    "doubles": (Written((2, 6), "float64"), "elements of type FLOAT64 at t0", "convert the model in float32"),
    "complex": (Written((2, 6), "complex64"), "elements of type COMPLEX64 at t0", "convert the model in float32"),
    "int16": (Written((2, 6), "int16", scales=[0.1]), "an input of type INT16 at t0", "convert the model in float32"),
    "booleans": (Written((2, 6), "bool"), "an input of type BOOL at t0", "convert the model in float32"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors(name):
    tensor, line, hint = TENSORS[name]
    error = refused(written([tensor, X], [Step("CUMSUM", [0], [1])], [0], [1]))
    assert error.what.splitlines()[1:] == [f"  {line}", "  CUMSUM at t1"]
    assert hint in error.hint and REPLACE in error.hint


def test_tensors_that_are_something_else():
    content = small_model()
    content["subgraphs"][0]["tensors"][3]["is_variable"] = True
    assert "a tensor that is a variable at net/conv/Relu" in refused(flatbuffer(content)).what


def test_several_subgraphs():
    content = small_model()
    content["subgraphs"] *= 3
    error = refused(flatbuffer(content))
    assert "2 subgraphs besides the first" in error.what and "a single signature" in error.hint


def test_weights_that_are_computed():
    image, w = Written((2, 4, 4, 3), "float32"), Written((5, 1, 1, 3), "float32")
    options = {"strideW": 1, "strideH": 1}
    steps = [Step("TANH", [1], [2]), Step("CONV_2D", [0, 2], [3], "Conv2DOptions", options)]
    error = refused(written([image, w, w, Written((2, 4, 4, 5), "float32")], steps, [0, 1], [3]))
    assert "CONV_2D: operand 1 is no constant at t3" in error.what


def test_everything_is_told_at_once_and_each_hint_once():
    q, i = activation((2, 6), 0.1, 0), constant(np.zeros(1, np.int32))
    steps = [
        Step("WHILE", [0], [1]),
        Step("CUMSUM", [1], [2]),
        Step("IF", [2], [3]),
        Step("CUMSUM", [3], [4]),
        Step("REVERSE_SEQUENCE", [4, 5], [6]),
    ]
    error = refused(written([X, X, X, X, X, i, q], steps, [0], [6]))
    assert error.what.splitlines() == [
        "not supported:",
        "  WHILE (control flow) at t1",
        "  CUMSUM at t2, t4",
        "  IF (control flow) at t3",
        "  REVERSE_SEQUENCE at t6",
    ]
    assert error.hint.count("write loops out") == 1 == error.hint.count(REPLACE)

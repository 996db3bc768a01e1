"""Names, numbers and comments in C."""

import ctypes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradlet.backends.tinyengine.c_text import (
    Names,
    array_literal,
    comment,
    float_literal,
    identifier,
    packed,
    string_literal,
    unpacked,
)
from gradlet.backends.tinyengine.host.compiler import WARNINGS, Build
from gradlet.backends.tinyengine.host.library import Library
from gradlet.ir.tensor_type import DType, TensorType, b1, f32, i32


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float_literal_reads_back(value: float):
    literal = float_literal(value)
    assert literal.endswith("f") and ("." in literal or "e" in literal)
    assert np.float32(literal[:-1]).tobytes() == np.float32(value).tobytes()


def test_c_reads_floats_as_they_were():
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 2000, dtype=np.uint64).astype(np.uint32)
    special = np.array([0.0, -0.0, 1e-45, 1.1754944e-38, 3.4028235e38, 16777216.0], np.float32)
    values = np.concatenate([bits.view(np.float32), special, -special])
    values[np.isnan(values)] = np.inf
    text = f"#include <math.h>\nconst float values[{len(values)}] = {array_literal(values, f32(len(values)))};\n"
    library = Library(Build((*WARNINGS, "-O0")).library({"values.c": text.encode()}))
    found = np.ctypeslib.as_array((ctypes.c_float * len(values)).in_dll(library.c, "values")).copy()
    library.close()
    assert found.tobytes() == values.tobytes()


def test_infinity_and_nan_are_those_of_math_h():
    assert [float_literal(v) for v in (np.inf, -np.inf, np.nan)] == ["INFINITY", "-INFINITY", "NAN"]


def test_array_lines_are_full_and_short():
    lines = array_literal(np.arange(100, dtype=np.int32), i32(100)).splitlines()
    assert lines[0] == "{" and lines[-1] == "}"
    assert all(95 < len(line) <= 100 for line in lines[2:-2])
    assert len(array_literal(np.full(100, -1.1754944e-38, np.float32), f32(100)).splitlines()[1]) <= 100


def test_empty_array_is_an_empty_list():
    assert array_literal(np.zeros(0, np.float32), f32(0)) == "{\n}"


@pytest.mark.parametrize("dtype", DType)
def test_packing_is_undone(dtype: DType):
    type_ = TensorType(dtype, (3, 7))
    array = np.random.default_rng(0).integers(0, 2, (3, 7)).astype(dtype.numpy)
    data = packed(array, type_).tobytes()
    assert len(data) == type_.bytes
    found = unpacked(data, type_)
    assert found.dtype == array.dtype and np.array_equal(found, array)


def test_bit_i_of_byte_k_is_element_8k_plus_i():
    mask = np.zeros((2, 6), bool)
    mask[0, 1] = mask[1, 3] = True  # elements 1 and 9
    assert packed(mask, b1(2, 6)).tolist() == [0b10, 0b10]


@given(st.lists(st.text(min_size=1), max_size=8))
def test_names_are_identifiers_and_each_is_given_once(names: list[str]):
    given_out = Names()
    taken = [given_out.take(f"m_{identifier(name)}") for name in names]
    assert len({name.upper() for name in taken}) == len(names)
    assert all(name.isidentifier() and name.isascii() for name in taken)


def test_names_that_differ_in_case_only_differ_in_c_too():
    names = Names()
    assert [names.take(n) for n in ("a", "A", "a_2", "a")] == ["a", "A_2", "a_2_2", "a_3"]


@pytest.mark.parametrize("text", ["*/ int x;", "ends in \\", "new\nline", "what??/", 'quoted "', "ünïcode \x07"])
def test_comments_and_strings_hold_any_text(text: str):
    source = f"// {comment(text)}\nint here = 1;\nconst char string[] = {string_literal(text)};\n"
    library = Library(Build((*WARNINGS, "-O0")).library({"text.c": source.encode()}))
    assert ctypes.c_int.in_dll(library.c, "here").value == 1
    length = len(text.encode())
    assert bytes((ctypes.c_char * length).in_dll(library.c, "string")) == text.encode()
    library.close()

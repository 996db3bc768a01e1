"""The fields that are read are those of TensorFlow's schema."""

import inspect
import re

import numpy as np
import pytest

from gradlet.frontends.tflite import schema
from gradlet.tests.frontends.tflite.written import tensorflow

LENGTHS = {1: "bool", 8: "int8", 4: "int32"}


@pytest.fixture(scope="module", name="theirs")
def _theirs():
    tensorflow()
    from tensorflow.lite.python import schema_py_generated

    return schema_py_generated


def _numbers(enum: type) -> dict[str, int]:
    return {name: number for name, number in vars(enum).items() if isinstance(number, int)}


def test_operators_and_types(theirs):
    assert _numbers(theirs.BuiltinOperator) == {name: k for k, name in enumerate(schema.OPERATORS)}
    assert _numbers(theirs.TensorType) == {name: k for k, name in enumerate(schema.TENSOR_TYPES)}
    assert _numbers(theirs.Padding) == {name: k for k, name in enumerate(schema.PADDINGS)}
    assert _numbers(theirs.ActivationFunctionType) == {name: k for k, name in enumerate(schema.ACTIVATIONS)}
    unions = _numbers(theirs.BuiltinOptions)
    assert all(unions[name] == number for number, name in schema.UNIONS.items())


@pytest.mark.parametrize("table", schema.TABLES)
def test_fields(theirs, table):
    """The accessor of each reads the same slot, and a number of the same type."""
    for field in schema.TABLES[table]:
        name = "".join(part.capitalize() for part in field.name.split("_"))
        source = inspect.getsource(getattr(getattr(theirs, table), name))
        (slot,) = re.findall(r"Offset\((\d+)\)", source)
        assert (int(slot) - 4) // 2 == field.id, field
        kind = field.kind.strip("[]")
        if hasattr(np, kind) or kind == "bool":
            assert re.search(rf"number_types\.{kind}flags", source, re.IGNORECASE), field
        elif kind in schema.TABLES:
            assert f"import {kind}" in source or f"{kind}()" in source, field
        if not field.kind.startswith("[") and kind in ("bool", "int8", "int32", "uint8", "uint32", "float32"):
            assert re.search(rf"return {field.default}\b", source), field


def test_tables_form_no_cycle():
    """So that reading one ends."""
    below = {
        name: {f.kind.strip("[]") for f in fields} & schema.TABLES.keys() for name, fields in schema.TABLES.items()
    }
    below["Operator"] |= set(schema.UNIONS.values())
    assert set(schema.UNIONS.values()) <= schema.TABLES.keys()
    while leaves := {name for name, children in below.items() if not children}:
        below = {name: children - leaves for name, children in below.items() if name not in leaves}
    assert not below

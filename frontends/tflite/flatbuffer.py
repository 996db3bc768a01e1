"""Reads tables of a flatbuffer of which no byte is trusted: every offset and size is checked before it is followed.

What is read follows the tables of `schema`, which form no cycle: so the depth is bounded. How much is read is bounded
as well, since many offsets may lead to the same table.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from gradlet.frontends.tflite.schema import MODEL, Field, Schema
from gradlet.ir.errors import CompileError

_SCALARS = {
    "bool": "<?",
    "int8": "<b",
    "uint8": "<B",
    "uint16": "<H",
    "int32": "<i",
    "uint32": "<I",
    "int64": "<q",
    "uint64": "<Q",
    "float32": "<f",
}
MAX_TABLES = 1_000_000
_HINT = "download the model anew, or convert it again"

Record = Mapping[str, Any]


def read_root(data: bytes | memoryview, schema: Schema = MODEL) -> Record:
    """The fields of the root table, and of all tables below it; what is absent has its default, or None.

    Vectors of numbers are tuples, of bytes memoryviews of the file, of tables lists.

    Raises:
        CompileError: GL117.
    """
    reader = _Reader(data, schema)
    if data[4:8] != schema.identifier:
        raise reader.damaged(f"there is no mark {schema.identifier.decode()} at byte 4", "")
    return reader.table(schema.root, reader.offset(0, "the root"), "")


class _Reader:
    """One file.

    Attributes:
        left: How many tables may still be read, and numbers of vectors.
    """

    def __init__(self, data: bytes | memoryview, schema: Schema):
        self.data, self.schema = data, schema
        self.left = {"tables": MAX_TABLES, "numbers": MAX_TABLES + len(data)}

    def damaged(self, what: str, where: str) -> CompileError:
        return CompileError("GL117", f"{self.schema.damaged}: {what}", where, _HINT)

    def spend(self, kind: str, count: int, where: str) -> None:
        self.left[kind] -= count
        if self.left[kind] < 0:
            raise self.damaged(f"it refers to the same {kind} again and again", where)

    def number(self, kind: str, position: int, where: str) -> Any:
        form = _SCALARS[kind]
        self.check(position, struct.calcsize(form), where)
        return struct.unpack_from(form, self.data, position)[0]

    def check(self, position: int, size: int, where: str) -> None:
        if position < 0 or position + size > len(self.data):
            what = f"bytes {position:,} to {position + size:,} are wanted, there are {len(self.data):,}"
            raise self.damaged(what, where)

    def offset(self, position: int, where: str) -> int:
        """Where the offset at a position leads; offsets lead forwards."""
        distance: int = self.number("uint32", position, where)
        if distance < 4:
            raise self.damaged(f"the offset at byte {position:,} leads to itself", where)
        return position + distance

    def table(self, name: str, position: int, where: str) -> Record:
        self.spend("tables", 1, where)
        places = self.vtable(position, where)
        found: dict[str, Any] = {}
        for field in self.schema.tables[name]:
            below = f"{where}.{field.name}" if where else field.name
            found[field.name] = self.field(field, places, position, found, below)
        return found

    def vtable(self, position: int, where: str) -> tuple[int, ...]:
        """How far each field of a table lies from its begin, 0 for an absent one; and, last, the table's size."""
        begin = position - self.number("int32", position, where)
        size, extent = self.number("uint16", begin, where), self.number("uint16", begin + 2, where)
        if size < 4 or size % 2 or extent < 4:
            raise self.damaged(f"the table at byte {position:,} has no list of its fields", where)
        self.check(begin, size, where)
        self.check(position, extent, where)
        return (*struct.unpack_from(f"<{size // 2 - 2}H", self.data, begin + 4), extent)

    def field(self, field: Field, places: tuple[int, ...], position: int, before: Record, where: str) -> Any:
        *offsets, extent = places
        offset = offsets[field.id] if field.id < len(offsets) else 0
        if not offset:
            return [] if field.kind.startswith("[") and field.kind[1:-1] in self.schema.tables else field.default
        size = struct.calcsize(_SCALARS.get(field.kind, "<I"))
        if offset < 4 or offset + size > extent:
            raise self.damaged(f"the field lies outside of its table of {extent} bytes", where)
        at = position + offset
        if field.kind in _SCALARS:
            return self.number(field.kind, at, where)
        if field.kind == "present":
            return True
        if field.kind == "union":
            chosen = self.schema.unions[field.name].get(before[f"{field.name}_type"])
            return self.table(chosen, self.offset(at, where), where) if chosen else None
        return self.reference(field.kind, self.offset(at, where), where)

    def reference(self, kind: str, position: int, where: str) -> Any:
        if kind == "string":
            text = self.vector("uint8", position, where)
            self.spend("numbers", len(text), where)
            return bytes(text).decode("utf-8", "replace")
        if not kind.startswith("["):
            return self.table(kind, position, where)
        inner = kind[1:-1]
        if inner in self.schema.tables:
            return self.tables(inner, position, where)
        if inner == "uint8":
            return self.vector(inner, position, where)
        numbers = np.frombuffer(self.vector(inner, position, where), np.dtype(inner).newbyteorder("<"))
        self.spend("numbers", len(numbers), where)
        return tuple(numbers.tolist())

    def vector(self, kind: str, position: int, where: str) -> memoryview:
        """The bytes of a vector's elements."""
        size = self.number("uint32", position, where) * struct.calcsize(_SCALARS[kind])
        self.check(position + 4, size, where)
        return memoryview(self.data)[position + 4 : position + 4 + size]

    def tables(self, name: str, position: int, where: str) -> list[Record]:
        count = self.number("uint32", position, where)
        self.check(position + 4, 4 * count, where)
        places = range(position + 4, position + 4 + 4 * count, 4)
        return [self.table(name, self.offset(at, where), f"{where}[{k}]") for k, at in enumerate(places)]

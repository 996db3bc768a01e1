"""Changes a model without copying it: new tables stand in front of the old bytes, and refer to what they keep.

Offsets of a flatbuffer lead forwards, so what is new has to come first. Whatever this compiler does not know stays
where it is, as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradlet.frontends.tflite.model import MAX_BYTES, inconsistent
from gradlet.frontends.tflite.schema import MODEL, OPERATORS, Schema
from gradlet.ir.errors import CompileError

# All fields of the tables that may be written anew, by number: the format of a number, or "@" for an offset.
KINDS = {
    "Model": "I@@@@@@@@@",
    "SubGraph": "@@@@@i",
    "Operator": "I@@B@@b@@QQB@i",
    "Tensor": "@bI@@?@@?@I",
    "Buffer": "@QQ",
}
# So that what is aligned in the old bytes stays it, also where constants are used where the file lies.
_ALIGNMENT = 64
_PLACEHOLDERS = 127  # operators from here on have their number in a field of its own


@dataclass(frozen=True)
class Old:
    """What lies at a position of the old bytes."""

    position: int


@dataclass(frozen=True)
class Number:
    """A field; `moves` with the old bytes if it counts from the begin of the file."""

    form: str
    value: int | float
    moves: bool = False


@dataclass(frozen=True)
class Numbers:
    """A vector of numbers, or the bytes of a string."""

    size: int
    content: bytes


@dataclass(frozen=True)
class Vector:
    """A vector of tables."""

    items: Sequence[Old | Table]


@dataclass(frozen=True)
class Table:
    """A new table: its fields by number."""

    fields: Mapping[int, Number | Reference]


Reference = Old | Numbers | Vector | Table


def integers(values: Sequence[int]) -> Numbers:
    return Numbers(len(values), struct.pack(f"<{len(values)}i", *values))


def text(content: str) -> Numbers:
    data = content.encode()
    return Numbers(len(data), data + b"\0")


class Edit:
    """A model that is being changed.

    Attributes:
        data: The old bytes, of which some may be overwritten.
        codes: With `tensors`, `operators`, `buffers` and `metadata` the vectors of the model and of its first subgraph.
    """

    def __init__(self, model: bytes):
        self.data = bytearray(model)
        self._model = self.fields("Model", Old(self._at("I", 0)))
        self._graph = self.fields("SubGraph", self._vector(self._model[2])[0])
        self.codes = self._vector(self._model.get(1))
        self.buffers = self._vector(self._model.get(4))
        self.metadata = self._vector(self._model.get(6))
        self.tensors = self._vector(self._graph.get(0))
        self.operators = self._vector(self._graph.get(3))
        self._kept = self._vectors()

    def result(self) -> bytes:
        """The bytes of the changed model.

        Raises:
            CompileError: GL105 if the model has what cannot be moved, GL118 if it becomes too large.
        """
        if self._vectors() == self._kept:
            return bytes(self.data)
        buffers = [self._moved(buffer) for buffer in self.buffers]
        graph = self._graph | {0: Vector(self.tensors), 3: Vector(self.operators)}
        graphs = [Table(graph), *self._vector(self._model[2])[1:]]
        model = self._model | {1: Vector(self.codes), 2: Vector(graphs), 4: Vector(buffers), 6: Vector(self.metadata)}
        for operator in self.operators:
            offset = self.fields("Operator", operator).get(9)
            if isinstance(offset, Number) and offset.value > 1:
                raise _refused("options that lie behind the tables")
        front = front_of(Table(model), MODEL)
        if len(front) + len(self.data) > MAX_BYTES:
            raise inconsistent(f"the model becomes larger than {MAX_BYTES:,} bytes")
        return front + bytes(self.data)

    def _vectors(self) -> tuple[list[Old | Table], ...]:
        return tuple(map(list, (self.codes, self.buffers, self.metadata, self.tensors, self.operators)))

    # --- What there is.

    def fields(self, table: str, place: Old | Table) -> dict[int, Number | Reference]:
        """The fields of a table.

        Raises:
            CompileError: GL105 if it has fields that only a newer TensorFlow knows.
        """
        if isinstance(place, Table):
            return dict(place.fields)
        begin = place.position - self._at("i", place.position)
        count = (self._at("H", begin) - 4) // 2
        offsets = {k: self._at("H", begin + 4 + 2 * k) for k in range(count)}
        found: dict[int, Number | Reference] = {}
        for number, offset in offsets.items():
            if offset and number >= len(KINDS[table]):
                raise _refused(f"fields of {table} that this version does not know")
            if offset:
                at, form = place.position + offset, KINDS[table][number]
                found[number] = Old(at + self._at("I", at)) if form == "@" else Number(form, self._at(form, at))
        return found

    def content(self, buffer: int) -> tuple[int, int]:
        """Where in `data` the bytes of a buffer lie, and how many there are."""
        fields = self.fields("Buffer", self.buffers[buffer])
        offset, size, data = fields.get(1), fields.get(2), fields.get(0)
        if isinstance(offset, Number) and isinstance(size, Number) and offset.value > 1:
            return int(offset.value), int(size.value)
        return (data.position + 4, self._at("I", data.position)) if isinstance(data, Old) else (0, 0)

    def _vector(self, place: Number | Reference | None) -> list[Old | Table]:
        if not isinstance(place, Old):
            return []
        first = place.position + 4
        places = range(first, first + 4 * self._at("I", place.position), 4)
        return [Old(at + self._at("I", at)) for at in places]

    def _at(self, form: str, position: int) -> int:
        try:
            return int(struct.unpack_from(f"<{form}", self.data, position)[0])
        except struct.error as error:
            raise inconsistent(f"byte {position:,} of {len(self.data):,}") from error

    def _moved(self, buffer: Old | Table) -> Old | Table:
        """A buffer whose bytes lie behind the tables says where in the file they are."""
        fields = self.fields("Buffer", buffer)
        offset = fields.get(1)
        if not isinstance(offset, Number) or offset.value <= 1:
            return buffer
        return Table(fields | {1: Number("Q", offset.value, moves=True)})

    def set_operands(self, operator: int, tensors: Sequence[int]) -> None:
        self.operators[operator] = Table(self.fields("Operator", self.operators[operator]) | {1: integers(tensors)})

    # --- What is added: each returns its number.

    def add_buffer(self, content: bytes) -> int:
        if not self.buffers:
            self.buffers.append(Table({}))  # the first one is empty by convention
        self.buffers.append(Table({0: Numbers(len(content), content)}))
        return len(self.buffers) - 1

    def add_tensor(self, fields: Mapping[int, Number | Reference]) -> int:
        self.tensors.append(Table(fields))
        return len(self.tensors) - 1

    def add_constant(self, name: str, content: np.ndarray) -> int:
        """A tensor of float32."""
        assert content.dtype == np.float32
        buffer = self.add_buffer(np.ascontiguousarray(content, "<f4").tobytes())
        return self.add_tensor({0: integers(content.shape), 2: Number("I", buffer), 3: text(name)})

    def add_operator(
        self, name: str, inputs: Sequence[int], outputs: Sequence[int], options: tuple[int, Table] | None = None
    ) -> None:
        """An operator of the second version, at the end; `options`: the number of their table, and it."""
        number = OPERATORS.index(name)
        assert number < _PLACEHOLDERS
        self.codes.append(Table({0: Number("b", number), 2: Number("i", 2), 3: Number("i", number)}))
        fields: dict[int, Number | Reference] = {0: Number("I", len(self.codes) - 1)}
        fields |= {1: integers(inputs), 2: integers(outputs)}
        self.operators.append(Table(fields | ({3: Number("B", options[0]), 4: options[1]} if options else {})))

    def add_metadata(self, name: str, content: bytes) -> None:
        self.metadata.append(Table({0: text(name), 1: Number("I", self.add_buffer(content))}))


def _refused(what: str) -> CompileError:
    return CompileError("GL105", f"a model cannot be written with {what}", hint="convert it anew, without them")


def front_of(root: Table, schema: Schema) -> bytes:
    """A flatbuffer: whole in itself, or to stand in front of the old bytes that it refers to."""
    return _Front(root, schema).joined()


class _Front:
    """The bytes of new tables: each behind all that refers to it."""

    def __init__(self, root: Table, schema: Schema):
        self.data = bytearray(struct.pack("<I4s", 0, schema.identifier))
        self._references: list[tuple[int, int]] = []
        self._moving: list[tuple[int, int]] = []
        self._refer(0, root)

    def joined(self) -> bytes:
        """With the old bytes right behind."""
        self._pad(_ALIGNMENT)
        size = len(self.data)
        for at, position in self._references:
            struct.pack_into("<I", self.data, at, size + position - at)
        for at, position in self._moving:
            struct.pack_into("<Q", self.data, at, size + position)
        return bytes(self.data)

    def _pad(self, alignment: int, ahead: int = 0) -> None:
        """Until what comes after so many bytes is aligned."""
        self.data.extend(bytes(-(len(self.data) + ahead) % alignment))

    def _refer(self, at: int, node: Reference) -> None:
        if isinstance(node, Old):
            self._references.append((at, node.position))
            return
        place = self._numbers(node) if isinstance(node, Numbers) else self._place(node)
        struct.pack_into("<I", self.data, at, place - at)

    def _place(self, node: Vector | Table) -> int:
        return self._vector(node) if isinstance(node, Vector) else self._table(node)

    def _numbers(self, node: Numbers) -> int:
        self._pad(16, ahead=4)
        begin = len(self.data)
        self.data.extend(struct.pack("<I", node.size) + node.content)
        return begin

    def _vector(self, node: Vector) -> int:
        self._pad(4)
        begin, count = len(self.data), len(node.items)
        self.data.extend(struct.pack("<I", count) + bytes(4 * count))
        for k, item in enumerate(node.items):
            self._refer(begin + 4 + 4 * k, item)
        return begin

    def _table(self, node: Table) -> int:
        """Every field takes 8 bytes: whatever it is, it is aligned."""
        self._pad(2)
        slots = {number: 8 + 8 * k for k, number in enumerate(node.fields)}
        count, vtable, size = 1 + max(slots, default=-1), len(self.data), 8 + 8 * len(slots)
        self.data.extend(struct.pack(f"<{count + 2}H", 2 * count + 4, size, *(slots.get(k, 0) for k in range(count))))
        self._pad(8)
        begin = len(self.data)
        self.data.extend(struct.pack("<i", begin - vtable).ljust(size, b"\0"))
        for number, field in node.fields.items():
            at = begin + slots[number]
            if not isinstance(field, Number):
                self._refer(at, field)
            elif field.moves:
                self._moving.append((at, int(field.value)))
            else:
                struct.pack_into(f"<{field.form}", self.data, at, field.value)
        return begin

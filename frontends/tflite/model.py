"""A TFLite model as frozen data; whatever its tables say about each other is checked here."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradlet.frontends.tflite.flatbuffer import Record, read_root
from gradlet.frontends.tflite.schema import CUSTOM, METADATA_ENTRY, OPERATORS, TENSOR_TYPES, UNIONS
from gradlet.ir.errors import CompileError
from gradlet.ir.tensor_type import DType

# Offsets of a flatbuffer have 32 bits, of which one is a sign.
MAX_BYTES = 2**31 - 1
_MAX_AXES, _MAX_ELEMENTS = 8, 2**28
# So that products of scales are numbers, in float32 as well.
_SMALLEST_SCALE, _LARGEST_SCALE = 1e-15, 1e15
_DTYPES = {
    "FLOAT32": DType.F32,
    "FLOAT16": DType.F16,
    "INT32": DType.I32,
    "UINT8": DType.U8,
    "INT64": DType.I64,
    "BOOL": DType.B1,
    "INT16": DType.I16,
    "INT8": DType.I8,
}
_HINT = "convert the model again, or mend what wrote it"


@dataclass(frozen=True)
class Quantization:
    """real = scale * (stored - zero_point), one of each for the tensor or for each slice along `axis`."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int | None = None


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the graph.

    Attributes:
        index: Its number.
        dtype: None for an element type that the IR does not have; int8 for constants of int4.
        type_name: Of the elements, as TensorFlow calls it.
        shape: Sizes that are open are 1.
        open_axes: Axes whose size is not fixed.
        content: Of a constant.
        special: What else it is, where that is not supported.
    """

    index: int
    name: str
    dtype: DType | None
    type_name: str
    shape: tuple[int, ...]
    open_axes: tuple[int, ...]
    quantization: Quantization | None
    content: np.ndarray | None
    special: str = ""

    def __str__(self) -> str:
        return self.name or f"tensor {self.index}"

    @property
    def is_open(self) -> bool:
        """Whether more is open than the batch: then the file does not tell its shape."""
        return any(axis > 0 for axis in self.open_axes)


@dataclass(frozen=True, eq=False)
class Operator:
    """One operator.

    Attributes:
        name: As TensorFlow calls it; `CUSTOM:name` for one of somebody else.
        inputs: None for an optional one that is left out.
        options_name: Of the table of its options.
    """

    name: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options_name: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Model:
    """The first subgraph, and how many there are; `metadata` are those of tflite-support, empty if there are none."""

    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    subgraphs: int
    metadata: bytes = b""


def read_file(path: Path) -> bytes:
    """The bytes of a model, and of what comes with it.

    Raises:
        CompileError: GL101.
    """
    if not path.is_file():
        raise CompileError("GL101", f"{path} is no file", hint="paths are relative to the folder you are in")
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        hint = "check that it is yours to read"
        raise CompileError("GL101", f"{path} cannot be read: {error.strerror or error}", hint=hint) from error


def parse(data: bytes) -> Model:
    """The model in the bytes of a file.

    Raises:
        CompileError: GL117 if it is none or damaged, GL118 if it does not fit together.
    """
    if len(data) > MAX_BYTES:
        raise inconsistent(f"the file is larger than {MAX_BYTES:,} bytes")
    root = read_root(data)
    if root["version"] != 3:
        raise inconsistent(f"version {root['version']} of the format: there is only version 3")
    if not root["subgraphs"]:
        raise inconsistent("there is no subgraph")
    buffers = [_buffer(record, data, f"buffers[{k}]") for k, record in enumerate(root["buffers"])]
    return _Graph(root, buffers).model()


def digest(model: Model) -> str:
    """Of the operators, types and constants: the same for all files of a model, whatever else they hold."""
    found = hashlib.sha256()
    constants: dict[int, np.ndarray] = {}
    for operator in model.operators:
        tensors = [t for t in (*operator.inputs, *operator.outputs) if t]
        told = [(t.index, t.type_name, t.shape, t.quantization) for t in tensors]
        found.update(repr((operator.name, sorted(operator.options.items()), told)).encode())
        constants |= {t.index: t.content for t in tensors if t.content is not None}
    for content in constants.values():
        found.update(content.tobytes())
    return found.hexdigest()


def inconsistent(what: str, where: str = "") -> CompileError:
    return CompileError("GL118", what, where, _HINT)


def _buffer(record: Record, data: bytes, where: str) -> memoryview | None:
    """The bytes of a buffer, which may lie behind the tables; None for one without."""
    begin, size = record["offset"], record["size"]
    if begin <= 1:
        return record["data"] if record["data"] else None
    if begin + size > len(data):
        raise inconsistent(f"it ends at byte {begin + size:,} of {len(data):,}", where)
    return memoryview(data)[begin : begin + size]


class _Graph:
    """The first subgraph while its parts are put together."""

    def __init__(self, root: Record, buffers: list[memoryview | None]):
        self.root, self.graph, self.buffers = root, root["subgraphs"][0], buffers
        self.tensors = [self.tensor(k, record) for k, record in enumerate(self.graph["tensors"])]

    def model(self) -> Model:
        inputs = self.find(self.graph["inputs"], "inputs")
        known = {t.index for t in (*inputs, *(t for t in self.tensors if t.content is not None))}
        if len({t.index for t in inputs}) < len(inputs) or any(t.content is not None for t in inputs):
            raise inconsistent("an input is a constant, or is named twice", "inputs")
        operators = []
        for k, record in enumerate(self.graph["operators"]):
            operators.append(self.operator(record, known, f"operators[{k}]"))
            known |= {t.index for t in operators[-1].outputs}
        outputs = self.find(self.graph["outputs"], "outputs")
        for tensor in outputs:
            if tensor.index not in known:
                raise inconsistent(f"no operator makes the output {tensor}", "outputs")
        return Model(tuple(operators), inputs, outputs, len(self.root["subgraphs"]), self.metadata())

    def metadata(self) -> bytes:
        """What lies in the first buffer that is called so."""
        numbers = [record["buffer"] for record in self.root["metadata"] if record["name"] == METADATA_ENTRY]
        if numbers and numbers[0] >= len(self.buffers):
            raise inconsistent(f"buffer {numbers[0]} of {len(self.buffers)}", "metadata")
        return bytes(self.buffers[numbers[0]] or b"") if numbers else b""

    def find(self, indices: tuple[int, ...], where: str) -> tuple[Tensor, ...]:
        return tuple(self.at(index, where) for index in indices)

    def at(self, index: int, where: str) -> Tensor:
        if not 0 <= index < len(self.tensors):
            raise inconsistent(f"tensor {index} of {len(self.tensors)}", where)
        return self.tensors[index]

    def operator(self, record: Record, known: set[int], where: str) -> Operator:
        codes, index = self.root["operator_codes"], record["opcode_index"]
        if index >= len(codes):
            raise inconsistent(f"operator code {index} of {len(codes)}", where)
        name = _operator_name(codes[index], where)
        inputs = tuple(None if k == -1 else self.at(k, f"{where}.inputs") for k in record["inputs"])
        outputs = self.find(record["outputs"], f"{where}.outputs")
        for tensor in inputs:
            if tensor and tensor.index not in known:
                raise inconsistent(f"{name} reads {tensor}, which no operator before it makes", where)
        for tensor in outputs:
            if tensor.index in known:
                raise inconsistent(f"{name} makes {tensor}, which there is already", where)
        if len({t.index for t in outputs}) < len(outputs):
            raise inconsistent(f"{name} makes a tensor twice", where)
        options_name = UNIONS.get(record["builtin_options_type"], "")
        return Operator(name, inputs, outputs, options_name, record["builtin_options"] or {})

    def tensor(self, index: int, record: Record) -> Tensor:
        where = f"tensors[{index}]"
        if not 0 <= record["type"] < len(TENSOR_TYPES):
            raise inconsistent(f"an element type of number {record['type']}", where)
        type_name = TENSOR_TYPES[record["type"]]
        shape = record["shape"]
        _check_shape(shape, where)
        if record["buffer"] >= max(len(self.buffers), 1):
            raise inconsistent(f"buffer {record['buffer']} of {len(self.buffers)}", where)
        data = self.buffers[record["buffer"]] if self.buffers else None
        halves = type_name == "INT4" and data is not None
        dtype = DType.I8 if halves else _DTYPES.get(type_name)
        quantization = _quantization(record["quantization"], dtype, shape, where)
        content = None if data is None else (_halves if halves else _content)(data, dtype, shape, where)
        special = "a variable" if record["is_variable"] else "sparse" if record["sparsity"] else ""
        if record["external_buffer"]:
            special = "kept in another file"
        elif record["quantization"] and record["quantization"]["details_type"]:
            special = "quantised in a way of its own"
        name, open_axes = record["name"], _open_axes(record, where)
        return Tensor(index, name, dtype, type_name, shape, open_axes, quantization, content, special)


def _operator_name(record: Record, where: str) -> str:
    number = max(record["deprecated_builtin_code"], record["builtin_code"])
    if not 0 <= number < len(OPERATORS):
        raise inconsistent(f"an operator of number {number}: the newest known is {len(OPERATORS) - 1}", where)
    return f"{CUSTOM}:{record['custom_code']}" if OPERATORS[number] == CUSTOM else OPERATORS[number]


def _check_shape(shape: tuple[int, ...], where: str) -> None:
    if len(shape) > _MAX_AXES or any(size < 1 for size in shape) or math.prod(shape) > _MAX_ELEMENTS:
        what = f"{len(shape)} axes of sizes {list(shape[:_MAX_AXES])}: up to {_MAX_AXES} axes of at least 1 element"
        raise inconsistent(f"{what} are known, and up to {_MAX_ELEMENTS:,} elements", where)


def _open_axes(record: Record, where: str) -> tuple[int, ...]:
    signature, shape = record["shape_signature"], record["shape"]
    if not signature:
        return ()
    if len(signature) != len(shape) or any(s not in (-1, n) for s, n in zip(signature, shape, strict=True)):
        raise inconsistent(f"shape {list(shape)} is none of {list(signature)}", where)
    return tuple(axis for axis, size in enumerate(signature) if size == -1)


def _content(data: memoryview, dtype: DType | None, shape: tuple[int, ...], where: str) -> np.ndarray:
    if dtype is None:
        return np.frombuffer(data, np.uint8)
    kind = dtype.numpy.newbyteorder("<")
    wanted = math.prod(shape) * kind.itemsize
    if len(data) != wanted:
        raise inconsistent(f"its buffer has {len(data):,} bytes, {dtype.value}{list(shape)} takes {wanted:,}", where)
    return np.frombuffer(data, kind).reshape(shape)


def _halves(data: memoryview, dtype: DType | None, shape: tuple[int, ...], where: str) -> np.ndarray:
    """int8 of elements of four bits, two a byte, the first in the lower half."""
    count = math.prod(shape)
    if len(data) != (count + 1) // 2:
        raise inconsistent(f"its buffer has {len(data):,} bytes, int4{list(shape)} takes {(count + 1) // 2:,}", where)
    both = np.frombuffer(data, np.int8)
    return np.stack([(both << 4) >> 4, both >> 4], 1).ravel()[:count].reshape(shape)


def _quantization(
    record: Record | None, dtype: DType | None, shape: tuple[int, ...], where: str
) -> Quantization | None:
    if record is None or not record["scale"] or dtype is None or dtype.is_float:
        return None
    scales, zero_points = record["scale"], record["zero_point"] or (0,) * len(record["scale"])
    axis = record["quantized_dimension"] if len(scales) > 1 else None
    if axis is not None and not 0 <= axis < len(shape):
        raise inconsistent(f"its scales belong to axis {axis} of {len(shape)}", where)
    if len(zero_points) != len(scales) or (axis is not None and len(scales) != shape[axis]):
        what = f"{len(scales)} scales and {len(zero_points)} zero points for {list(shape)}, axis {axis}"
        raise inconsistent(what, where)
    if not all(_SMALLEST_SCALE < s < _LARGEST_SCALE for s in scales):
        raise inconsistent(f"its scales are not all between {_SMALLEST_SCALE:g} and {_LARGEST_SCALE:g}", where)
    if dtype.numpy.kind in "iu":
        range_ = np.iinfo(dtype.value)
        if not all(range_.min <= z <= range_.max for z in zero_points):
            raise inconsistent(f"its zero points are not all {dtype.value}", where)
    return Quantization(scales, zero_points, axis)

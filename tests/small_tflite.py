"""A small int8 network as a .tflite file, written without TensorFlow: what tests damage, and put nonsense into."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradlet.frontends.tflite.schema import MODEL, OPERATORS, TENSOR_TYPES, UNIONS, Schema

_FORMS = {"bool": "?", "int8": "b", "uint8": "B", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q"}
_FORMS |= {"float32": "f", "present": "I"}
Record = dict[str, Any]


def flatbuffer(root: Mapping[str, Any], schema: Schema = MODEL) -> bytes:
    """A file with these fields; each table and vector lies behind what refers to it."""
    data = bytearray(struct.pack("<I4s", 0, schema.identifier))
    _refer(data, 0, lambda: _table(data, schema, schema.root, root))
    return bytes(data)


def _refer(data: bytearray, position: int, write: Any) -> None:
    data.extend(bytes(-len(data) % 16))
    struct.pack_into("<I", data, position, write() - position)


def _table(data: bytearray, schema: Schema, name: str, record: Mapping[str, Any]) -> int:
    unions = {f"{name}_type": tables for name, tables in schema.unions.items()}
    chosen = {key.removesuffix("_type"): unions[key].get(n) for key, n in record.items() if key in unions}
    fields = [field for field in schema.tables[name] if record.get(field.name) is not None]
    fields = [field for field in fields if field.kind != "union" or chosen.get(field.name)]
    count = 1 + max((field.id for field in fields), default=0)
    slots = {field.id: 8 + 8 * k for k, field in enumerate(fields)}
    size, vtable = 8 + 8 * len(fields), len(data)
    data.extend(struct.pack(f"<{count + 2}H", 2 * count + 4, size, *(slots.get(k, 0) for k in range(count))))
    data.extend(bytes(-len(data) % 8))
    begin = len(data)
    data.extend(struct.pack("<i", begin - vtable).ljust(size, b"\0"))
    for field in fields:
        at, value, kind = begin + slots[field.id], record[field.name], field.kind
        if kind in _FORMS:
            struct.pack_into(f"<{_FORMS[kind]}", data, at, value)
        elif kind == "union":
            _refer(data, at, lambda table=chosen[field.name], value=value: _table(data, schema, table, value))
        else:
            _refer(data, at, lambda kind=kind, value=value: _reference(data, schema, kind, value))
    return begin


def _reference(data: bytearray, schema: Schema, kind: str, value: Any) -> int:
    begin, inner = len(data), kind.strip("[]")
    if kind == "string":
        data.extend(struct.pack("<I", len(value)) + value.encode() + b"\0")
    elif not kind.startswith("["):
        return _table(data, schema, kind, value)
    elif inner not in schema.tables:
        begin += 12  # so that the elements are aligned
        data.extend(struct.pack(f"<12xI{len(value)}{_FORMS[inner]}", len(value), *value))
    else:
        data.extend(struct.pack("<I", len(value)) + bytes(4 * len(value)))
        for k, record in enumerate(value):
            _refer(data, begin + 4 + 4 * k, lambda record=record: _table(data, schema, inner, record))
    return begin


# The network: 6x6x2 -> convolution -> depthwise -> sum of both -> mean -> dense -> softmax.

CLASSES = 3
_SIDE, _CHANNELS = 6, 4
_SAME = {"padding": 0, "stride_w": 1, "stride_h": 1}
_OPERATORS = (
    ("CONV_2D", [0, 1, 2], 3, "Conv2DOptions", _SAME | {"fused_activation_function": 1}),
    ("DEPTHWISE_CONV_2D", [3, 4, 5], 6, "DepthwiseConv2DOptions", _SAME | {"depth_multiplier": 1}),
    ("ADD", [3, 6], 7, "AddOptions", {}),
    ("MEAN", [7, 8], 9, "ReducerOptions", {"keep_dims": False}),
    ("FULLY_CONNECTED", [9, 10, 11], 12, "FullyConnectedOptions", {}),
    ("SOFTMAX", [12], 13, "SoftmaxOptions", {"beta": 1.0}),
)


def small_model() -> Record:
    """Its tables, to be changed at will."""
    tensors, buffers = _Tensors().of_the_network()
    graph = {"tensors": tensors, "inputs": [0], "outputs": [13], "operators": _operators()}
    numbers = [OPERATORS.index(name) for name, *_ in _OPERATORS]
    codes = [{"deprecated_builtin_code": number, "builtin_code": number} for number in numbers]
    return {"version": 3, "operator_codes": codes, "subgraphs": [graph], "buffers": buffers}


def _operators() -> list[Record]:
    numbers = {name: number for number, name in UNIONS.items()}
    return [
        {
            "opcode_index": k,
            "inputs": list(inputs),
            "outputs": [output],
            "builtin_options_type": numbers[table],
            "builtin_options": dict(options),
        }
        for k, (_, inputs, output, table, options) in enumerate(_OPERATORS)
    ]


class _Tensors:
    """Tensors, and the buffers of those that are constant."""

    def __init__(self) -> None:
        self.buffers: list[Record] = [{}]
        self.rng = np.random.default_rng(0)

    def of_the_network(self) -> tuple[list[Record], list[Record]]:
        image, features = [1, _SIDE, _SIDE, 2], [1, _SIDE, _SIDE, _CHANNELS]
        tensors = [
            self.tensor("serving_default_image:0", image, [0.02], -3),
            *self.layer("conv", [_CHANNELS, 3, 3, 2], 0),
            self.tensor("net/conv/Relu;net/conv/BiasAdd", features, [0.02], -128),
            *self.layer("depthwise", [1, 3, 3, _CHANNELS], 3),
            self.tensor("net/depthwise", features, [0.02], 7),
            self.tensor("net/sum", features, [0.03], -20),
            self.constant("axes", np.array([1, 2], np.int32)),
            self.tensor("net/mean", [1, _CHANNELS], [0.015], 5),
            *self.layer("dense", [CLASSES, _CHANNELS], 0),
            self.tensor("net/dense", [1, CLASSES], [0.05], 2),
            self.tensor("net/softmax", [1, CLASSES], [1 / 256], -128),
        ]
        return tensors, self.buffers

    def tensor(self, name: str, shape: Sequence[int], scales: Sequence[float], zero: int = 0, axis: int = 0) -> Record:
        quantization = {"scale": list(scales), "zero_point": [zero] * len(scales), "quantized_dimension": axis}
        told = {"name": name, "shape": list(shape), "type": TENSOR_TYPES.index("INT8"), "buffer": 0}
        return told | ({"quantization": quantization} if scales else {})

    def constant(self, name: str, content: np.ndarray, scales: Sequence[float] = (), axis: int = 0) -> Record:
        self.buffers.append({"data": content.tobytes()})
        told = {"buffer": len(self.buffers) - 1, "type": TENSOR_TYPES.index(content.dtype.name.upper())}
        return self.tensor(name, content.shape, scales, 0, axis) | told

    def layer(self, name: str, shape: Sequence[int], axis: int) -> list[Record]:
        scales = self.rng.uniform(0.005, 0.02, shape[axis]).tolist()
        weight = self.rng.integers(-127, 128, shape).astype(np.int8)
        bias = self.rng.integers(-500, 500, shape[axis]).astype(np.int32)
        first = self.constant(f"{name}/w", weight, scales, axis)
        return [first, self.constant(f"{name}/b", bias, [0.02 * s for s in scales])]


def small_tflite() -> bytes:
    return flatbuffer(small_model())

"""What a converter builds with: the operands of its operator, and nodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradlet.frontends.tflite.model import Operator, Tensor, inconsistent
from gradlet.frontends.tflite.problems import OTHER_TYPES, UnsupportedError
from gradlet.frontends.tflite.schema import TABLES
from gradlet.ir.graph import Graph, Role, Source, Value
from gradlet.ir.op_def import Emit, OpSet
from gradlet.ir.tensor_type import DType, QuantParams, TensorType, f32

HYBRID = (
    "weights in integers are computed with in floats: TensorFlow Lite rounds the activations before them to int8, and "
    "its results differ by that"
)


class Builder:
    """The graph under construction.

    Attributes:
        emit: Adds a node; its `loc` is the place of the operator that is being converted.
        values: What each tensor has become.
        contents: Of constants that an operator makes of constants.
        notes: What the user is to know.
        batch: (that of the file, the one asked for).
    """

    def __init__(self, graph: Graph, ops: OpSet, batch: tuple[int, int]):
        self.graph, self.emit, self.batch = graph, Emit(ops, graph), batch
        self.values: dict[int, Value] = {}
        self.contents: dict[int, np.ndarray] = {}
        self.notes: list[str] = []

    def __call__(self, op: str, *inputs: Value, **attrs: Any) -> Value:
        return self.emit(op, *inputs, **attrs)

    # --- Operands.

    def operand(self, op: Operator, index: int) -> Tensor:
        tensor = op.inputs[index] if index < len(op.inputs) else None
        if tensor is None:
            raise inconsistent(f"{op.name} has no operand {index}", self.emit.loc)
        return tensor

    def x(self, op: Operator, index: int = 0) -> Value:
        """An operand as a value; a constant becomes a parameter, one of integers stays as it is."""
        tensor = self.operand(op, index)
        if tensor.index in self.values:
            return self.values[tensor.index]
        content, name = self.constant(op, index), "constant" if index else "constant_0"
        if content.dtype.kind == "f":
            return self.parameter(name, content)
        type_ = self.type(tensor, content.shape)
        if type_.dtype not in (DType.I8, DType.I32) or (tensor.quantization and tensor.quantization.axis is not None):
            raise UnsupportedError(f"operand {index} is a constant of type {tensor.type_name}")
        unsigned = content.dtype == np.uint8
        return self.buffer(name, content.astype(np.int16) - 128 if unsigned else content, type_)

    def is_constant(self, op: Operator, index: int) -> bool:
        tensor = self.operand(op, index)
        return tensor.index in self.contents or tensor.content is not None

    def constant(self, op: Operator, index: int) -> np.ndarray:
        tensor = self.operand(op, index)
        content = self.contents.get(tensor.index, tensor.content)
        if content is None or tensor.special or tensor.dtype is None:
            raise UnsupportedError(f"operand {index} is {tensor.special or 'no constant'}")
        return content.astype(np.float32) if tensor.dtype is DType.F16 else content

    def floats(self, op: Operator, index: int) -> np.ndarray:
        """A constant of floats; one of integers is what these stand for."""
        content, tensor = self.constant(op, index), self.operand(op, index)
        if content.dtype == np.float32:
            return content
        if content.dtype != np.int8:
            raise UnsupportedError(f"operand {index} is a constant of type {tensor.type_name}")
        if HYBRID not in self.notes:
            self.notes.append(HYBRID)
        return real(content, tensor)

    def integers(self, op: Operator, index: int) -> np.ndarray:
        """A constant of integers, e.g. of axes."""
        found = self.constant(op, index)
        if found.dtype not in (np.int32, np.int64):
            raise inconsistent(f"operand {index} of {op.name} are no integers", self.emit.loc)
        return found

    def has(self, op: Operator, index: int) -> bool:
        return index < len(op.inputs) and op.inputs[index] is not None

    def y(self, op: Operator) -> Tensor:
        """The result."""
        if len(op.outputs) != 1:
            raise inconsistent(f"{op.name} has {len(op.outputs)} results", self.emit.loc)
        return op.outputs[0]

    def option(self, op: Operator, table: str, name: str) -> Any:
        """An option of the operator, whose options are in this table, or all left out."""
        if op.options_name not in ("", table):
            raise inconsistent(f"{op.name} has {op.options_name}", self.emit.loc)
        field = next(f for f in TABLES[table] if f.name == name)
        return op.options.get(name, field.default)

    def shape(self, tensor: Tensor, size: int | None = None) -> tuple[int, ...]:
        """The shape a tensor has with the batch that is asked for; `size`: of how many elements it is known to be."""
        old, new = self.batch
        shape = tensor.shape
        rest = int(np.prod(shape[1:]))
        if size is not None and tensor.open_axes == (0,) and size % rest == 0:
            return size // rest, *shape[1:]
        grown = (shape[0] * new // old, *shape[1:]) if shape and shape[0] % old == 0 else shape
        return shape if size is not None and size == int(np.prod(shape)) else grown

    def shape_of(self, op: Operator, index: int) -> tuple[int, ...]:
        """The shape of an operand."""
        tensor = self.operand(op, index)
        if tensor.index in self.values:
            return self.values[tensor.index].type.shape
        return self.constant(op, index).shape

    # --- Types.

    def type(self, tensor: Tensor, shape: tuple[int, ...]) -> TensorType:
        """What a tensor is in the graph: int64 becomes int32, and quantised uint8 becomes int8, less 128."""
        dtype, quantization = tensor.dtype or DType.F32, tensor.quantization
        if dtype is DType.I64:
            return TensorType(DType.I32, shape)
        if dtype not in (DType.I8, DType.U8) or quantization is None or quantization.axis is not None:
            return TensorType(dtype, shape)
        scale, zero = self.scale(tensor)
        return TensorType(DType.I8, shape, QuantParams((scale,), (zero,)))

    def is_int8(self, op: Operator) -> bool:
        """Whether the operator computes in int8; if not, then in float32."""
        x, y = self.operand(op, 0), self.y(op)
        types = {DType.F32 if t.dtype is DType.F16 and t.content is not None else t.dtype for t in (x, y)}
        if types not in ({DType.I8}, {DType.F32}):
            what = f"{x.type_name} to {y.type_name}: int8 and float32 are supported"
            raise UnsupportedError(what, OTHER_TYPES)
        return types == {DType.I8}

    def only_float(self, op: Operator) -> None:
        if self.is_int8(op):
            raise UnsupportedError("in int8")

    def scale(self, tensor: Tensor) -> tuple[float, int]:
        """(scale, zero point) of a quantised activation, as it is in the graph."""
        quantization = tensor.quantization
        if tensor.dtype not in (DType.I8, DType.U8) or quantization is None or quantization.axis is not None:
            raise UnsupportedError(f"{tensor} has no scale, or several")
        return quantization.scales[0], quantization.zero_points[0] - (128 if tensor.dtype is DType.U8 else 0)

    # --- States.

    def parameter(self, name: str, content: np.ndarray) -> Value:
        """A float parameter of the operator, as it lies in the file."""
        return self.state(name, content, f32(*content.shape), tuple(range(content.ndim)), content.shape)

    def state(
        self, name: str, content: np.ndarray, type_: TensorType, permutation: tuple[int, ...], user: tuple[int, ...]
    ) -> Value:
        """A parameter; `user` and `permutation` say how it lies in the file."""
        name = self.graph.free_name(f"{self.emit.loc}.{name}")
        source = Source(name, user, user, permutation)
        made = np.array(content, type_.dtype.numpy).reshape(type_.shape)
        return self.graph.add_state(name, made, type_, trainable=True, source=source)

    def buffer(self, name: str, content: np.ndarray, type_: TensorType) -> Value:
        name = self.graph.free_name(f"{self.emit.loc}.{name}")
        return self.graph.add_state(name, np.array(content, type_.dtype.numpy), type_, Role.BUFFER)


def real(content: np.ndarray, tensor: Tensor) -> np.ndarray:
    """What the content of a constant stands for, in float32."""
    quantization = tensor.quantization
    if content.dtype not in (np.int8, np.uint8) or quantization is None:
        raise UnsupportedError(f"a constant of type {tensor.type_name} that is computed with in floats")
    shape = [-1 if axis == quantization.axis else 1 for axis in range(content.ndim)]
    scale, zero = (np.array(n, np.float32).reshape(shape) for n in (quantization.scales, quantization.zero_points))
    return np.asarray((content.astype(np.float32) - zero) * scale)

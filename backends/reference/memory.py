"""Where the executor keeps values: an array each, or the planned bytes of one arena."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from gradlet.ir.graph import Graph, Node, Value, storage
from gradlet.ir.tensor_type import DType, TensorType

# What the arena holds before anything is written there: NaN as a float, -1 as an integer.
_JUNK = 0xFF


class Memory(Protocol):
    """The values of one run."""

    def read(self, value: Value) -> np.ndarray:
        """What lies where `value` belongs."""

    def write(self, value: Value, array: np.ndarray) -> None:
        """Puts `array`, of the value's shape and element type, where `value` belongs."""

    def enter(self, index: int, node: Node) -> None:
        """Called before node `index` runs."""


class Heap:
    """One array for each storage: an in-place result replaces what it overwrites, for every reader."""

    def __init__(self) -> None:
        self.arrays: dict[Value, np.ndarray] = {}

    def read(self, value: Value) -> np.ndarray:
        return self.arrays[storage(value)]

    def write(self, value: Value, array: np.ndarray) -> None:
        self.arrays[storage(value)] = array

    def enter(self, index: int, node: Node) -> None:
        pass


class Arena:
    """The bytes a device would have: a wrong plan, or a read after an overwrite, changes the numbers.

    States are kept outside, one array each, as on the device.
    """

    def __init__(self, graph: Graph) -> None:
        assert graph.plan is not None, f"{graph.name} has no memory plan"
        self.buffer = np.full(graph.plan.arena_bytes, _JUNK, np.uint8)
        self.offsets = graph.plan.offsets()
        self.scratch = {s.first: slice(s.offset, s.end) for s in graph.plan.slots if not s.values}
        self.states = {state.value for state in graph.states}
        self.outside = Heap()

    def read(self, value: Value) -> np.ndarray:
        if storage(value) in self.states:
            return self.outside.read(value)
        return unpack(self.buffer[self._place(value)], value.type)

    def write(self, value: Value, array: np.ndarray) -> None:
        if storage(value) in self.states:
            self.outside.write(value, array)
        else:
            self.buffer[self._place(value)] = pack(array)

    def enter(self, index: int, node: Node) -> None:
        if index in self.scratch:
            self.buffer[self.scratch[index]] = _JUNK

    def _place(self, value: Value) -> slice:
        offset = self.offsets[value]
        return slice(offset, offset + value.type.bytes)


def pack(array: np.ndarray) -> np.ndarray:
    """The bytes of an array as a device holds them: `b1` eight to a byte, the first in the lowest bit."""
    if array.dtype == np.bool_:
        return np.packbits(array.reshape(-1), bitorder="little")
    return np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)


def unpack(data: np.ndarray, type_: TensorType) -> np.ndarray:
    """A copy of the array whose bytes are `data`."""
    if type_.dtype is DType.B1:
        return np.unpackbits(data, count=type_.size, bitorder="little").astype(bool).reshape(type_.shape)
    return np.frombuffer(data.tobytes(), type_.dtype.numpy).reshape(type_.shape)

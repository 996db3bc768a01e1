"""The memory of a session: one arena, the states, and tensors of TVM that are views of them."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from gradlet.backends.tvm.package import tvm_ffi
from gradlet.backends.tvm.scratch import Piece
from gradlet.ir.tensor_type import DType, TensorType

# Bytes: a cache line, and this machine's widest vector.
_ALIGNMENT = 64
_GUARD = 64
_PATTERN = 0xA5


class Arena:
    """Bytes at an aligned address, between two guards that nothing may write.

    Attributes:
        bytes: The arena itself.
    """

    def __init__(self, size: int):
        self._whole = np.full(_ALIGNMENT + 2 * _GUARD + size, _PATTERN, np.uint8)
        begin = _GUARD + -(self._whole.ctypes.data + _GUARD) % _ALIGNMENT
        self.bytes = self._whole[begin : begin + size]
        self._guards = self._whole[:begin], self._whole[begin + size :]

    @property
    def intact(self) -> bool:
        """Whether the guards hold what they held."""
        return all((guard == _PATTERN).all() for guard in self._guards)


def view(data: np.ndarray, type_: TensorType) -> np.ndarray:
    """Bytes as the array a function works on; of masks the packed bytes."""
    data = data[: type_.bytes]
    return data if type_.dtype is DType.B1 else data.view(type_.dtype.numpy).reshape(type_.shape)


def stored(array: np.ndarray, type_: TensorType) -> np.ndarray:
    """An array as it lies in memory: of its element type, masks packed; a copy only where that differs."""
    if type_.dtype is DType.B1:
        return np.packbits(np.asarray(array, bool).reshape(-1), bitorder="little")
    return np.ascontiguousarray(array, type_.dtype.numpy).reshape(type_.shape)


def loaded(memory: np.ndarray, type_: TensorType) -> np.ndarray:
    """A copy of what lies in memory, as the IR's array."""
    if type_.dtype is DType.B1:
        return np.unpackbits(memory, count=type_.size, bitorder="little").astype(bool).reshape(type_.shape)
    return memory.copy()


def tensor(array: np.ndarray) -> Any:
    """A tensor of TVM on the same memory."""
    if array.dtype == DType.BF16.numpy:
        # numpy does not export bfloat16; functions know their types without being told.
        array = array.view(np.uint16)
    return tvm_ffi.from_dlpack(array if array.flags.writeable else _writeable(array))


def piece_tensor(scratch: np.ndarray, piece: Piece) -> Any:
    """A piece of working memory as bytes: functions know its shape without being told."""
    return tensor(scratch[piece.offset : piece.end])


def _writeable(array: np.ndarray) -> np.ndarray:
    """The same memory: DLPack has no word for memory that is only read. Whoever uses it must keep `array`."""
    shown = (ctypes.c_char * max(1, array.nbytes)).from_address(array.ctypes.data)
    return np.frombuffer(memoryview(shown), array.dtype, array.size).reshape(array.shape)

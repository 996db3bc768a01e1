"""Names, numbers and comments as C wants them."""

from __future__ import annotations

import math
import re

import numpy as np

from gradlet.ir.tensor_type import DType, TensorType

# A type for every element type; there is none for half precision in C11, and masks are packed.
_TYPES = {
    DType.F32: "float",
    DType.F16: "uint16_t",
    DType.BF16: "uint16_t",
    DType.I8: "int8_t",
    DType.U8: "uint8_t",
    DType.I16: "int16_t",
    DType.I32: "int32_t",
    DType.I64: "int64_t",
    DType.B1: "uint8_t",
}
_WIDTH = 100
_INDENT = "    "


def c_type(dtype: DType) -> str:
    return _TYPES[dtype]


def elements(type_: TensorType) -> int:
    """Length of the C array that holds a tensor; C has no empty ones."""
    return max(1, type_.bytes if type_.dtype is DType.B1 else type_.size)


def identifier(name: str) -> str:
    """What is left of a name in C; it may not stand alone, a prefix keeps it off keywords and digits."""
    return re.sub(r"\W", "_", name, flags=re.ASCII) or "_"


def parameter(name: str) -> str:
    """A scalar input as parameter of a function: `lr` keeps its name, a prefix keeps others off keywords."""
    return name if name == "lr" else f"in_{identifier(name)}"


class Names:
    """Gives out C names, each once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, name: str) -> str:
        """`name`, or with a number where it is taken, also in capitals: constants are named after symbols."""
        unique, number = name, 2
        while unique.upper() in self._taken:
            unique, number = f"{name}_{number}", number + 1
        self._taken.add(unique.upper())
        return unique


def float_literal(value: float) -> str:
    """A float that reads back exactly; INFINITY and NAN are those of math.h."""
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return f"{np.float32(value)!s}f"


def string_literal(text: str) -> str:
    """A string of bytes; octal escapes end after three digits, hexadecimal ones would not."""
    printable = {b: chr(b) for b in range(32, 127) if chr(b) not in '"\\?'}
    return '"' + "".join(printable.get(b, f"\\{b:03o}") for b in text.encode()) + '"'


def comment(text: str) -> str:
    """Text that cannot end, continue or spoil a line comment."""
    return "".join(c if c.isprintable() and c != "\\" else "?" for c in text).replace("??", "? ?")


def packed(array: np.ndarray, type_: TensorType) -> np.ndarray:
    """The elements of a tensor as they lie in memory: one axis, masks eight to a byte, halves as their bits."""
    flat = np.ascontiguousarray(array).astype(type_.dtype.numpy, copy=False).reshape(-1)
    if type_.dtype is DType.B1:
        return np.packbits(flat, bitorder="little")
    return flat.view(np.uint16) if type_.dtype in (DType.F16, DType.BF16) else flat


def unpacked(data: bytes, type_: TensorType) -> np.ndarray:
    """A tensor from its bytes."""
    if type_.dtype is DType.B1:
        bits = np.unpackbits(np.frombuffer(data, np.uint8), count=type_.size, bitorder="little")
        return bits.astype(bool).reshape(type_.shape)
    return np.frombuffer(data, type_.dtype.numpy, count=type_.size).reshape(type_.shape).copy()


def array_literal(array: np.ndarray, type_: TensorType) -> str:
    """The elements between braces, the same number in each line."""
    words = _words(packed(array, type_))
    count = (_WIDTH - len(_INDENT) + 1) // (max(map(len, words)) + 2) if words else 1
    lines = (", ".join(words[k : k + count]) for k in range(0, len(words), count))
    return "{\n" + "".join(f"{_INDENT}{line},\n" for line in lines) + "}"


def _words(flat: np.ndarray) -> list[str]:
    if flat.dtype != np.float32:
        return list(map(str, flat.tolist()))
    if not np.isfinite(flat).all():
        return list(map(float_literal, flat.tolist()))
    # The shortest decimal that reads back, as float_literal gives it; for millions of weights, faster.
    return [f"{word}f" for word in flat.astype("U16").tolist()]

"""Reads a pickle of plain data by an interpreter of its own, which can build numbers and arrays and call nothing."""

from __future__ import annotations

import io
import math
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

from gradlet.ir.errors import CompileError

# The largest of the published checkpoints has 8,456.
MAX_INSTRUCTIONS = 200_000
_MAX_AXES = 4
_ELEMENTS = ("i1", "i2", "i4", "i8", "u1", "f4", "f8")

# What numpy's arrays are pickled with. `_Machine` plays each of them: numpy itself sees checked values only.
_NAMES = {
    "_codecs encode": "encode",
    "numpy.core.multiarray _reconstruct": "reconstruct",
    "numpy._core.multiarray _reconstruct": "reconstruct",
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}


_CODES = {instruction.code: instruction for instruction in pickletools.opcodes}


class _Name:
    """One of `_NAMES` on the stack."""

    def __init__(self, name: str):
        self.name = name


class _ElementType:
    """A numpy dtype."""

    def __init__(self, code: str):
        self.code = code


class PickledArray:
    """An array; `content` is missing until the pickle has told it."""

    content: np.ndarray | None = None


def unpickled(data: bytes) -> Any:
    """Dicts, lists, tuples, numbers, text and `PickledArray`s.

    Raises:
        CompileError: GL115 if the pickle asks for anything else, GL114 if it is damaged.
    """
    machine = _Machine()
    try:
        return machine.run(io.BytesIO(data))
    except (_Damaged, ValueError, OverflowError) as error:
        what = f"the pickle is damaged: {error}"
        raise CompileError("GL114", what, machine.where, "download the checkpoint anew") from error


class _Damaged(Exception):  # noqa: N818
    """An instruction that does not fit what lies on the stack."""


class _Machine:
    """The stack, the memo, and what each instruction does to them."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.position = 0

    @property
    def where(self) -> str:
        return f"data.pkl, byte {self.position}"

    def run(self, file: io.BytesIO) -> Any:
        """The value that the pickle ends in."""
        for _ in range(MAX_INSTRUCTIONS):
            self.position = file.tell()
            instruction = _CODES.get(file.read(1).decode("latin1"))
            if instruction is None:
                raise _Damaged("an instruction is expected")
            if instruction.name == "STOP":
                return self._result()
            if instruction.name not in _INSTRUCTIONS:
                raise self._refused(f"the instruction {instruction.name}")
            _INSTRUCTIONS[instruction.name](self, _argument(instruction, file))
        raise _Damaged(f"more than {MAX_INSTRUCTIONS:,} instructions")

    def _result(self) -> Any:
        if len(self.stack) != 1 or self.marks:
            raise _Damaged("it does not end in one value")
        return self.stack[0]

    def _refused(self, what: str) -> CompileError:
        hint = "take a checkpoint that holds numbers and arrays alone: whatever else a pickle asks for is not done"
        return CompileError("GL115", f"the pickle asks for {what}", self.where, hint)

    # The stack.

    def _popped(self, count: int) -> list[Any]:
        begin = len(self.stack) - count
        if begin < (self.marks[-1] if self.marks else 0):
            raise _Damaged("a value is missing")
        values = self.stack[begin:]
        del self.stack[begin:]
        return values

    def _to_mark(self) -> list[Any]:
        if not self.marks:
            raise _Damaged("a mark is missing")
        begin = self.marks[-1]
        values = self._popped(len(self.stack) - begin)
        self.marks.pop()
        return values

    def _top(self, kind: type) -> Any:
        (top,) = self._popped(1)
        if type(top) is not kind:
            raise _Damaged(f"a {kind.__name__} is expected, not a {type(top).__name__}")
        self.stack.append(top)
        return top

    def _remember(self, index: int) -> None:
        (top,) = self._popped(1)
        self.stack.append(top)
        self.memo[index] = top

    def _recall(self, index: int) -> None:
        if index not in self.memo:
            raise _Damaged(f"nothing is remembered as {index}")
        self.stack.append(self.memo[index])

    # Containers.

    def _fill_list(self, values: list[Any]) -> None:
        self._top(list).extend(values)

    def _fill_dict(self, values: list[Any]) -> None:
        into, keys = self._top(dict), values[::2]
        if len(values) % 2 or not all(type(key) is str for key in keys):
            raise _Damaged("the keys of a dict are not text")
        into.update(zip(keys, values[1::2], strict=True))

    # What arrays are made of.

    def _name(self, name: str) -> None:
        if name not in _NAMES:
            raise self._refused(f"{name.replace(' ', '.')[:80]!r}")
        self.stack.append(_Name(_NAMES[name]))

    def _name_on_stack(self) -> None:
        module, name = self._popped(2)
        if not (type(module) is str and type(name) is str):
            raise _Damaged("a name is not text")
        self._name(f"{module} {name}")

    def _reduce(self) -> None:
        called, arguments = self._popped(2)
        if type(called) is not _Name or type(arguments) is not tuple:
            raise _Damaged("something that is no name is called")
        made: Any
        match (called.name, *arguments):
            case ("encode", str(text), "latin1"):
                made = text.encode("latin1")
            case ("reconstruct", _Name(name="ndarray"), *_):
                made = PickledArray()
            case ("dtype", str(code), *_) if code in _ELEMENTS:
                made = _ElementType(code)
            case _:
                raise self._refused(f"{called.name} with other arguments than an array of numbers has")
        self.stack.append(made)

    def _build(self) -> None:
        target, state = self._popped(2)
        match (target, state):
            case (PickledArray(), (1, tuple(shape), _ElementType() as element, bool(fortran), bytes(content))):
                target.content = self._array(shape, element, "F" if fortran else "C", content)
            case (_ElementType(), (int(), "<" | "|" | "=", None, None, None, *_)):
                pass
            case _:
                raise self._refused("an object that is no array of little-endian numbers")
        self.stack.append(target)

    def _array(self, shape: tuple[Any, ...], element: _ElementType, order: Any, content: bytes) -> np.ndarray:
        if len(shape) > _MAX_AXES or not all(type(n) is int and 0 < n <= len(content) for n in shape):
            raise _Damaged("an array has an impossible shape")
        dtype = np.dtype(f"<{element.code}")
        if math.prod(shape) * dtype.itemsize != len(content):
            raise _Damaged(f"an array of {list(shape)} {dtype} has {len(content):,} bytes")
        return np.frombuffer(content, dtype).reshape(shape, order=order)


def _argument(instruction: pickletools.OpcodeInfo, file: io.BytesIO) -> Any:
    if instruction.name == "GLOBAL":  # whose usual reader resolves escapes
        return " ".join(file.readline().decode("latin1").rstrip("\n") for _ in range(2))
    return instruction.arg.reader(file) if instruction.arg else None


_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "NONE": lambda m, _: m.stack.append(None),
    "NEWTRUE": lambda m, _: m.stack.append(True),
    "NEWFALSE": lambda m, _: m.stack.append(False),
    **dict.fromkeys(_LITERALS, lambda m, value: m.stack.append(value)),
    "PROTO": lambda m, version: None,
    "FRAME": lambda m, size: None,
    "MARK": lambda m, _: m.marks.append(len(m.stack)),
    "EMPTY_LIST": lambda m, _: m.stack.append([]),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "EMPTY_TUPLE": lambda m, _: m.stack.append(()),
    "TUPLE": lambda m, _: m.stack.append(tuple(m._to_mark())),
    "TUPLE1": lambda m, _: m.stack.append(tuple(m._popped(1))),
    "TUPLE2": lambda m, _: m.stack.append(tuple(m._popped(2))),
    "TUPLE3": lambda m, _: m.stack.append(tuple(m._popped(3))),
    "APPEND": lambda m, _: m._fill_list(m._popped(1)),
    "APPENDS": lambda m, _: m._fill_list(m._to_mark()),
    "SETITEM": lambda m, _: m._fill_dict(m._popped(2)),
    "SETITEMS": lambda m, _: m._fill_dict(m._to_mark()),
    "BINPUT": lambda m, index: m._remember(index),
    "LONG_BINPUT": lambda m, index: m._remember(index),
    "MEMOIZE": lambda m, _: m._remember(len(m.memo)),
    "BINGET": lambda m, index: m._recall(index),
    "LONG_BINGET": lambda m, index: m._recall(index),
    "GLOBAL": lambda m, name: m._name(name),
    "STACK_GLOBAL": lambda m, _: m._name_on_stack(),
    "REDUCE": lambda m, _: m._reduce(),
    "BUILD": lambda m, _: m._build(),
}

"""Reads what a linker wrote: the segments, sections and symbols of a 32-bit little-endian ELF file."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

_LOAD, _SYMBOL_TABLE, _NO_BITS = 1, 2, 8
_OBJECT, _FUNCTION = 1, 2


@dataclass(frozen=True)
class Section:
    """Bytes that the linker kept together; `data` is empty for those that are not in the file."""

    address: int
    size: int
    data: bytes
    kind: int
    link: int


@dataclass(frozen=True)
class Symbol:
    """A function or variable."""

    name: str
    address: int
    size: int
    is_function: bool


@dataclass(frozen=True)
class Elf:
    """An executable file."""

    image: bytes

    @cached_property
    def segments(self) -> Sequence[tuple[int, bytes]]:
        """(physical address, content) of what is to be programmed into the flash."""
        (table,), (size, count) = self._unpack("<I", 28), self._unpack("<HH", 42)
        found = []
        for i in range(count):
            kind, offset, _, address, length = self._unpack("<5I", table + i * size)
            if kind == _LOAD and length:
                found.append((address, self.image[offset : offset + length]))
        return found

    @cached_property
    def sections(self) -> Mapping[str, Section]:
        numbered = list(self._numbered_sections())
        (names,) = self._unpack("<H", 50)
        return {_string(numbered[names][1].data, name): section for name, section in numbered}

    def _numbered_sections(self) -> Iterator[tuple[int, Section]]:
        (table,), (size, count) = self._unpack("<I", 32), self._unpack("<HH", 46)
        for i in range(count):
            name, kind, _, address, offset, length, link = self._unpack("<7I", table + i * size)
            data = b"" if kind == _NO_BITS else self.image[offset : offset + length]
            yield name, Section(address, length, data, kind, link)

    def _all_symbols(self) -> Iterator[Symbol]:
        sections = [section for _, section in self._numbered_sections()]
        table = next(s for s in sections if s.kind == _SYMBOL_TABLE)
        strings = sections[table.link].data
        for name, value, size, info, _, section in struct.iter_unpack("<IIIBBH", table.data):
            kind, text = info & 15, _string(strings, name)
            if section and kind in (0, _OBJECT, _FUNCTION) and text and not text.startswith("$"):
                yield Symbol(text, value & ~1 if kind == _FUNCTION else value, size, kind == _FUNCTION)

    @cached_property
    def symbols(self) -> Mapping[str, Symbol]:
        """Functions (without the Thumb bit), variables and what the linker script defines, by name."""
        return {symbol.name: symbol for symbol in self._all_symbols()}

    @cached_property
    def functions(self) -> Sequence[Symbol]:
        """In order of address; two local ones can have the same name."""
        return sorted(
            (s for s in self._all_symbols() if s.is_function), key=lambda symbol: (symbol.address, symbol.name)
        )

    def function_at(self, address: int) -> str:
        """The name of the function that an address lies in; empty if it lies in none."""
        index = bisect_right(self.functions, address, key=lambda symbol: symbol.address) - 1
        if index < 0 or address >= self.functions[index].address + max(self.functions[index].size, 2):
            return ""
        return self.functions[index].name.partition(".")[0]  # gcc calls a specialised copy f.constprop.0

    def _unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        return struct.unpack_from(layout, self.image, offset)


def _string(table: bytes, offset: int) -> str:
    return table[offset : table.index(0, offset)].decode()

"""Finds the source line of an address in DWARF line tables (`-gdwarf-4`; gcc keeps those of version 3)."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class Row:
    """From `address` on, until the next row, the code is that of a line; no line ends a stretch of code."""

    address: int
    file: str
    line: int


@dataclass
class Reader:
    """Takes numbers from bytes, one after the other."""

    data: bytes
    at: int = 0

    def take(self, layout: str) -> int:
        (value,) = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return int(value)

    def variable(self, *, signed: bool = False) -> int:
        """A number in LEB128."""
        value = shift = 0
        while True:
            byte = self.take("B")
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value - (1 << shift) if signed and byte & 64 else value

    def string(self) -> str:
        end = self.data.index(0, self.at)
        text = self.data[self.at : end].decode()
        self.at = end + 1
        return text


@dataclass
class _Program:
    """One compilation's line number program, and the registers of the machine that it is for."""

    reader: Reader
    end: int
    shortest: int
    line_base: int
    line_range: int
    lengths: list[int]
    files: list[str]
    address: int = 0
    file: int = 1
    line: int = 1
    rows: list[Row] = field(default_factory=list)

    def sequences(self) -> Iterator[list[Row]]:
        """The rows of each stretch of code; the last row of a stretch is its end."""
        while self.reader.at < self.end:
            opcode = self.reader.take("B")
            if opcode > len(self.lengths):
                self._special(opcode)
            elif opcode:
                self._standard(opcode)
            elif self._extended():
                yield self.rows
                self.address, self.file, self.line, self.rows = 0, 1, 1, []

    def _append(self) -> None:
        self.rows.append(Row(self.address, self.files[self.file - 1], self.line))

    def _special(self, opcode: int) -> None:
        steps, lines = divmod(opcode - len(self.lengths) - 1, self.line_range)
        self.address += steps * self.shortest
        self.line += self.line_base + lines
        self._append()

    def _standard(self, opcode: int) -> None:
        reader = self.reader
        match opcode:
            case 1:
                self._append()
            case 2:
                self.address += reader.variable() * self.shortest
            case 3:
                self.line += reader.variable(signed=True)
            case 4:
                self.file = reader.variable()
            case 8:
                self.address += (255 - len(self.lengths) - 1) // self.line_range * self.shortest
            case 9:
                self.address += reader.take("H")
            case _:  # columns, statements, prologues
                for _ in range(self.lengths[opcode - 1]):
                    reader.variable()

    def _extended(self) -> bool:
        """Whether a stretch of code ends here."""
        length = self.reader.variable()
        end = self.reader.at + length
        opcode = self.reader.take("B")
        if opcode == 1:
            self.rows.append(Row(self.address, "", 0))
        elif opcode == 2:
            self.address = self.reader.take("I")
        self.reader.at = end
        return opcode == 1


def _programs(section: bytes) -> Iterator[_Program]:
    reader = Reader(section)
    while reader.at < len(section):
        length = reader.take("I")
        end = reader.at + length
        version, _ = reader.take("H"), reader.take("I")
        assert 2 <= version <= 4, f"line tables of DWARF {version} instead of 4"
        shortest, _ = reader.take("B"), reader.take("H" if version == 4 else "B")
        line_base, line_range = reader.take("b"), reader.take("B")
        lengths = [reader.take("B") for _ in range(reader.take("B") - 1)]
        while reader.string():  # the folders
            pass
        files = []
        while name := reader.string():
            files.append(name.rpartition("/")[2])
            for _ in range(3):  # folder, time, length
                reader.variable()
        yield _Program(reader, end, shortest, line_base, line_range, lengths, files)
        reader.at = end


def read_lines(section: bytes, starts: Collection[int]) -> list[Row]:
    """The rows of a `.debug_line` section in order of address.

    Args:
        section: Its content.
        starts: Addresses of functions. Code that starts elsewhere is not in the firmware: the linker left it out,
            but not its lines.
    """
    found = [
        row
        for program in _programs(section)
        for rows in program.sequences()
        if rows[0].address in starts
        for row in rows
    ]
    # The end of a stretch comes before the start of the next at the same address.
    return sorted(found, key=lambda row: (row.address, row.line > 0))


def line_at(rows: list[Row], address: int) -> tuple[str, int] | None:
    """File and line of the instruction at an address."""
    index = bisect_right(rows, address, key=lambda row: row.address) - 1
    return (rows[index].file, rows[index].line) if index >= 0 and rows[index].line else None

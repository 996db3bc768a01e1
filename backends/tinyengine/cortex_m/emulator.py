"""Runs firmware on an emulated Cortex-M, and counts the instructions.

Exactly the memories of the target exist: any other access is an error. The counts are exact and the same in every
run; they are instructions, not cycles.
"""

from __future__ import annotations

import random
import struct
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradlet.backends.tinyengine.cortex_m import toolchain
from gradlet.backends.tinyengine.cortex_m.build import Firmware, memories
from gradlet.backends.tinyengine.cortex_m.faults import explain
from gradlet.backends.tinyengine.cortex_m.process import Process

# Half a minute on a slow computer, twenty seconds of the device: no call that is meant to end takes longer.
INSTRUCTION_LIMIT = 4_000_000_000
# Calls in one conversation with the emulator.
_AT_ONCE = 64
# What unicorn calls the cores that it has no name for.
_MODELS = {"cortex-m0plus": "cortex-m0", "cortex-m1": "cortex-m0"}


@dataclass(frozen=True)
class Job:
    """One call of a function of the firmware, with the memory to fill before and to fetch after it.

    Attributes:
        function: Name; None: nothing is called.
        arguments: Addresses, integers of 32 bits or less, and floats; they all fit in registers.
        writes: (address in RAM, content).
        reads: (address, bytes).
    """

    function: str | None
    arguments: Sequence[int | float] = ()
    writes: Sequence[tuple[int, bytes]] = ()
    reads: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True)
class Run:
    """What came out of a job, or of a whole run.

    Attributes:
        instructions: Executed, exactly.
        status: The argument of `board_exit`; None if the call returned.
        output: What the firmware passed to `board_write`.
        integer: Result of the call, if it is an integer.
        float: Result of the call, if it is a float.
        reads: Content of what the job wanted to be read.
    """

    instructions: int
    status: int | None = None
    output: bytes = b""
    integer: int = 0
    float: float = 0.0
    reads: Sequence[bytes] = ()


class Emulator:
    """A device with a firmware in its flash. `start()` first; then functions can be called."""

    def __init__(self, firmware: Firmware, *, limit: int = INSTRUCTION_LIMIT):
        self.firmware, self.limit = firmware, limit
        self._ram, flash = memories(firmware.target)
        # What a function never wrote still has this content: random, so that no value is mistaken for it.
        self._paint = random.Random(self._ram.base).randbytes(self._ram.bytes)
        cpu = firmware.target.cpu
        self.process = Process(
            {
                "cpu": _MODELS.get(cpu, cpu),
                "flash_base": flash.base,
                "flash": firmware.flash_image,
                "ram_base": self._ram.base,
                "ram": self._paint,
                "return_to": self.address("board_idle"),
            }
        )

    def start(self, *, check: bool = True) -> Run:
        """Resets the device and runs until the firmware calls `board_exit` or `main` returns.

        Args:
            check: See `call`.
        """
        return self.call(Job("start"), check=check)

    def call(self, job: Job, *, check: bool = False) -> Run:
        """Does a job.

        Args:
            check: Whether to look for unaligned accesses that the processor traps; takes four times as long.

        Raises:
            CompileError: GL342 the device would not do this; GL343 the stack overflowed; GL344 there is no end.
        """
        return self._do([job], check)[0]

    def calls(self, jobs: Sequence[Job]) -> list[Run]:
        """Many calls for the price of few conversations with the emulator."""
        return [run for i in range(0, len(jobs), _AT_ONCE) for run in self._do(jobs[i : i + _AT_ONCE], False)]

    def address(self, name: str) -> int:
        """Of a function or variable of the firmware."""
        assert name in self.firmware.elf.symbols, f"the firmware has no {name}"
        return self.firmware.elf.symbols[name].address

    def read(self, address: int, size: int) -> bytes:
        return self.call(Job(None, reads=[(address, size)])).reads[0]

    def write(self, address: int, content: bytes) -> None:
        self.call(Job(None, writes=[(address, content)]))

    @property
    def stack_used(self) -> int:
        """Bytes of the stack between its top and the lowest word that was written to since the reset."""
        limit, top = self.address("__stack_limit"), self.address("__stack_top")
        written = self._written_words()
        first = bisect_left(written, limit)
        return top - written[first] if first < len(written) and written[first] < top else 0

    @property
    def ram_used(self) -> int:
        """Bytes of RAM, in words of four, that were written to since the reset."""
        return 4 * len(self._written_words())

    def profile(self) -> dict[str, int]:
        """Instructions executed since the reset by function, the costliest first."""
        counts: dict[str, int] = {}
        for address, _, instructions, times in self.blocks():
            name = self.firmware.elf.function_at(address) or hex(address)
            counts[name] = counts.get(name, 0) + instructions * times
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    def blocks(self) -> list[tuple[int, int, int, int]]:
        """(address, bytes, instructions, times) of every stretch of code that was executed in one go."""
        return list(self.process.ask(("blocks",)))

    def close(self) -> None:
        """Ends the emulator's process."""
        self.process.close()

    def _written_words(self) -> list[int]:
        now, paint = self.read(self._ram.base, self._ram.bytes), self._paint
        return [self._ram.base + i for i in range(0, len(now), 4) if now[i : i + 4] != paint[i : i + 4]]

    def _do(self, jobs: Sequence[Job], check: bool) -> list[Run]:
        answers = self.process.ask(("jobs", [(job.writes, self._call_of(job, check), job.reads) for job in jobs]))
        for ran, _ in answers:
            if ran and ran["fault"]:
                raise explain(ran["fault"], self.firmware)
        return [self._run_of(ran, reads) for ran, reads in answers]

    def _run_of(self, ran: Mapping[str, Any] | None, reads: Sequence[bytes]) -> Run:
        if ran is None:
            return Run(0, reads=reads)
        result = ran["s0" if self._has_float_registers else "r0"]
        return Run(ran["instructions"], ran["status"], ran["output"], ran["r0"], _float_of(result), reads)

    def _call_of(self, job: Job, check: bool) -> Mapping[str, Any] | None:
        """Arm's calling convention: floats have registers of their own where there is hardware for them."""
        if job.function is None:
            return None
        bits = [(isinstance(value, float) and self._has_float_registers, _bits(value)) for value in job.arguments]
        floats = [value for is_apart, value in bits if is_apart]
        integers = [value for is_apart, value in bits if not is_apart]
        assert len(integers) <= 4 and len(floats) <= 16, f"{job.function}: more arguments than registers"
        return {
            "entry": self.address(job.function),
            "sp": self.address("__stack_top"),
            "integers": integers,
            "floats": floats,
            "limit": self.limit,
            "check": check,
        }

    @property
    def _has_float_registers(self) -> bool:
        return toolchain.float_unit(self.firmware.target) is not None


def _bits(value: int | float) -> int:
    """An argument as a register has it."""
    return int.from_bytes(struct.pack("<f", value), "little") if isinstance(value, float) else value & 0xFFFF_FFFF


def _float_of(bits: int) -> float:
    return float(struct.unpack("<f", struct.pack("<I", bits))[0])

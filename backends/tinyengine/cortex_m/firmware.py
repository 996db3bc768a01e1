"""Builds C for a microcontroller and runs it from reset to exit: for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradlet.backends.tinyengine.cortex_m.build import OPTIONS, Firmware, build_firmware
from gradlet.backends.tinyengine.cortex_m.emulator import INSTRUCTION_LIMIT, Emulator
from gradlet.ir.target import Target


@dataclass(frozen=True)
class Result:
    """What a whole run shows; all numbers but `instructions` are bytes."""

    status: int | None
    output: bytes
    instructions: int
    profile: Mapping[str, int]
    stack_used: int
    ram_used: int
    firmware: Firmware


def run_firmware(
    sources: Mapping[str, str],
    target: Target,
    *,
    options: Sequence[str] = OPTIONS,
    compiler: str = "zig",
    stack_bytes: int | None = None,
    limit: int = INSTRUCTION_LIMIT,
    check: bool = True,
) -> Result:
    """Builds sources with a `main` and runs it; see `build_firmware` and `Emulator` for the arguments and errors."""
    firmware = build_firmware(sources, target, options=options, compiler=compiler, stack_bytes=stack_bytes)
    emulator = Emulator(firmware, limit=limit)
    try:
        run = emulator.start(check=check)
        profile, stack, ram = emulator.profile(), emulator.stack_used, emulator.ram_used
    finally:
        emulator.close()
    return Result(run.status, run.output, run.instructions, profile, stack, ram, firmware)

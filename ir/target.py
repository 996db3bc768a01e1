"""A device to compile for: data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Memory:
    """A region of the address space, in bytes."""

    base: int
    bytes: int


@dataclass(frozen=True)
class Target:
    """A device.

    Attributes:
        name: As users write it, e.g. `stm32f746`.
        summary: One line for lists and reports.
        cpu: The core, as Arm and the compilers name it, e.g. `cortex-m7`; `x86_64` for hosts.
        features: Instruction set extensions that kernels may use, e.g. `dsp`, `fpv5-sp`.
        sram: Memory for state, arena and stack; None: not limited.
        flash: Memory for code and constants; None: not limited.
        clock_hz: For estimates only; 0 where unknown.
        alignment: Of every buffer, in bytes.
        stack_bytes: Reserved for the stack unless the user says otherwise.
        backend: The one used unless the user names another.
    """

    name: str
    summary: str
    cpu: str
    features: frozenset[str] = frozenset()
    sram: Memory | None = None
    flash: Memory | None = None
    clock_hz: int = 0
    alignment: int = 4
    stack_bytes: int = 4096
    backend: str = "tinyengine"

    @property
    def is_microcontroller(self) -> bool:
        return self.cpu.startswith("cortex-m")

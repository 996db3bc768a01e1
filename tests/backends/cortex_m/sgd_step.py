"""The firmware of these tests, and what it is to compute."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from gradlet.backends.tinyengine.cortex_m.build import OPTIONS, Firmware, build_firmware
from gradlet.backends.tinyengine.cortex_m.emulator import Emulator
from gradlet.backends.tinyengine.cortex_m.firmware import Result, run_firmware
from gradlet.ir.target import Target
from gradlet.targets.nrf52840 import TARGET as NRF52840
from gradlet.targets.stm32f746 import TARGET as STM32F746

TARGETS = [STM32F746, NRF52840]
SOURCES = {"sgd_step.c": Path(__file__).with_name("sgd_step.c").read_text()}


@cache
def firmware(target: Target, compiler: str = "zig") -> Firmware:
    """Built once for all tests of a file."""
    return build_firmware(SOURCES, target, compiler=compiler)


def started(target: Target, compiler: str = "zig") -> Emulator:
    """A device on which it ran once."""
    emulator = Emulator(firmware(target, compiler))
    emulator.start()
    return emulator


def run(target: Target, *macros: str, **options: object) -> Result:
    """Builds and runs it, with macros like `STEPS=3`."""
    return run_firmware(SOURCES, target, options=[*OPTIONS, *(f"-D{m}" for m in macros)], **options)


def expected_losses(steps: int = 10) -> Iterator[np.float32]:
    x = (np.arange(48) % 5 * 0.125).astype(np.float32)
    target = np.arange(20, dtype=np.float32) - 4
    weight = np.zeros((20, 48), np.float32)
    for _ in range(steps):
        error = weight @ x - target
        yield (error**2 * np.float32(0.5)).sum()
        weight -= np.float32(0.0625) * np.outer(error, x)

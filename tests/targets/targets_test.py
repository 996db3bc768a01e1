"""Every device of the targets folder is complete and possible."""

import pytest

from gradlet.ir.errors import CompileError
from gradlet.ir.plugin import load
from gradlet.ir.target import Target

TOOLBOX = load(installed=False)
NAMES = TOOLBOX.names("targets")


def target(name: str) -> Target:
    return TOOLBOX.get("targets", name)


def test_the_devices_of_the_documentation_are_found():
    assert {"stm32f746", "nrf52840", "x86_64", "cortex_m_generic"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_name_is_that_of_the_file(name):
    assert target(name).name == name


@pytest.mark.parametrize("name", [n for n in NAMES if target(n).cpu.startswith("cortex-m")])
def test_a_microcontroller_has_two_memories_that_do_not_overlap(name):
    device = target(name)
    assert device.sram is not None and device.flash is not None
    low, high = sorted((device.sram, device.flash), key=lambda memory: memory.base)
    assert low.base + low.bytes <= high.base
    assert high.base + high.bytes <= 1 << 32
    assert device.stack_bytes < device.sram.bytes
    assert device.alignment & (device.alignment - 1) == 0


def test_facts_of_the_data_sheets():
    stm32 = target("stm32f746")
    assert stm32.sram is not None and stm32.flash is not None
    assert stm32.sram.bytes == (64 + 240 + 16) * 1024
    assert (stm32.flash.base, stm32.flash.bytes) == (0x0800_0000, 1024 * 1024)
    nrf = target("nrf52840")
    assert nrf.sram is not None and nrf.sram.bytes == 256 * 1024


def test_an_unknown_device_is_an_error_that_lists_the_known_ones():
    with pytest.raises(CompileError, match="stm32f746") as caught:
        target("stm32f999")
    assert caught.value.code == "GL504"

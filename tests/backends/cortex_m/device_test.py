"""The emulated device has its memories and nothing else, and what goes wrong on it is told with its place."""

from dataclasses import replace

import numpy as np
import pytest

from gradlet.backends.tinyengine.cortex_m.emulator import Emulator, Job
from gradlet.ir.errors import CompileError
from gradlet.ir.target import Memory
from gradlet.targets.stm32f746 import TARGET
from gradlet.tests.backends.cortex_m.sgd_step import expected_losses, firmware, started

FIRST_RAM, LAST_RAM, LAST_FLASH = 0x2000_0000, 0x2004_FFFF, 0x080F_FFFF


@pytest.fixture
def device():
    device = started(TARGET)
    yield device
    device.close()


@pytest.fixture(scope="module")
def shared():
    """One for all tests that read, and for those that fault: the next call finds the device as it was."""
    device = started(TARGET)
    yield device
    device.close()


def fault(device: Emulator, function: str, *arguments: int, check: bool = False) -> CompileError:
    with pytest.raises(CompileError) as caught:
        device.call(Job(function, arguments), check=check)
    return caught.value


@pytest.mark.parametrize("address", [FIRST_RAM, LAST_RAM])
def test_all_of_the_ram_can_be_written(device, address):
    device.call(Job("poke", [address]))
    assert device.read(address, 1) == b"\1"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (LAST_RAM + 1, "no memory"),
        (0x1000_0000, "no memory"),
        (0x0800_0000, "flash and cannot be written"),
        (LAST_FLASH, "flash and cannot be written"),
        (LAST_FLASH + 1, "no memory"),
        (0x07FF_FFFF, "no memory"),
        (0, "no memory"),
        (0xFFFF_FFFF, "no memory"),
    ],
)
def test_nothing_else_can_be_written(shared, address, why):
    error = fault(shared, "poke", address)
    assert error.code == "GL342"
    assert f"write of 1 bytes at {address:#010x}" in error.what
    assert why in error.what
    assert "poke (sgd_step.c:" in error.where
    assert "*(volatile char *)address = 1;" in error.where


def test_of_the_system_registers_there_is_the_one_for_the_floating_point_unit(shared):
    shared.call(Job("poke", [0xE000_ED88]))
    error = fault(shared, "poke", 0xE000_ED00)
    assert "write of 1 bytes at 0xe000ed00" in error.what
    assert "poke (sgd_step.c:" in error.where


def test_reads_are_limited_too(shared):
    assert np.isnan(shared.call(Job("float_at", [LAST_FLASH - 3])).float)  # erased flash
    assert "read of 4 bytes at 0x20050000" in fault(shared, "float_at", LAST_RAM + 1).what


def test_a_memory_that_ends_within_a_page_has_no_byte_more():
    device = started(replace(TARGET, sram=Memory(FIRST_RAM, 10_000)))
    device.call(Job("poke", [FIRST_RAM + 9_999]))
    assert "beyond the last byte of RAM at 0x2000270f" in fault(device, "poke", FIRST_RAM + 10_000).what
    device.close()


def test_the_stack_is_measured(device):
    device.call(Job("use_stack", [1000]))
    small = device.stack_used
    device.call(Job("use_stack", [3000]))
    assert 1000 < small < 2000 < 3000 < device.stack_used < 4096


def test_the_stack_cannot_overflow_unseen(device):
    error = fault(device, "use_stack", 5000)
    assert error.code == "GL343"
    assert "more than the 4,096 bytes" in error.what
    assert "use_stack" in error.where or "mem" in error.where


def test_a_float_must_be_aligned(shared):
    shared.call(Job("float_at", [LAST_RAM - 3]), check=True)
    error = fault(shared, "float_at", LAST_RAM - 5, check=True)
    assert "unaligned access relative to 0x2004fffa" in error.what
    assert "float_at (sgd_step.c:" in error.where


@pytest.mark.parametrize(
    ("function", "arguments", "why"),
    [
        ("undefined", [], "no such instruction"),
        ("jump", [0x2000_0100], "execution of 2 bytes at 0x20000100, which is RAM and holds no code"),
        ("jump", [0x3000_0000], "execution of 2 bytes at 0x30000000, where there is no memory"),
        ("jump", [0x080F_0000], "no such instruction"),
    ],
)
def test_what_is_no_code_does_not_run(shared, function, arguments, why):
    error = fault(shared, function, *arguments)
    assert error.code == "GL342"
    assert why in error.what
    assert function == "undefined" or "called by" in error.where


def test_an_endless_loop_ends(shared):
    shared.limit, limit = 1_000_000, shared.limit
    error = fault(shared, "endless")
    shared.limit = limit
    assert error.code == "GL344"
    assert "did not end within 1,000,000 instructions" in error.what
    assert "endless (sgd_step.c:" in error.where


def test_functions_can_be_called_with_arguments(device):
    runs = [device.call(Job("train_step", [0.0625])) for _ in range(3)]
    np.testing.assert_allclose([run.float for run in runs], list(expected_losses(13))[10:], rtol=1e-4)
    assert len({run.instructions for run in runs}) == 1
    assert runs[0].status is None


def test_memory_can_be_read_and_written(device):
    weight, table = device.address("weight"), device.address("table")
    assert np.frombuffer(device.read(table, 16), np.float32).tolist() == [1, 2, 3, 4]
    zeros = Job("train_step", [0.0625], writes=[(weight, bytes(20 * 48 * 4))], reads=[(weight, 4)])
    runs = device.calls([zeros] * 100)
    np.testing.assert_allclose([run.float for run in runs], next(expected_losses()), rtol=1e-6)
    assert {len(run.reads[0]) for run in runs} == {4}


def test_two_devices_share_nothing(device):
    other = Emulator(firmware(TARGET))
    other.start()
    other.write(other.address("weight"), bytes(16))
    assert device.read(device.address("weight"), 16) != bytes(16)
    other.close()

"""Firmware is built and run without any tool of this machine, and cannot do what the device would not let it do."""

from dataclasses import replace

import numpy as np
import pytest

from gradlet.backends.tinyengine.cortex_m.build import build_firmware
from gradlet.backends.tinyengine.cortex_m.emulator import Emulator, Job
from gradlet.backends.tinyengine.cortex_m.firmware import run_firmware
from gradlet.ir.errors import CompileError
from gradlet.ir.target import Memory
from gradlet.targets.stm32f746 import TARGET
from gradlet.targets.x86_64 import TARGET as HOST
from gradlet.tests.backends.cortex_m.sgd_step import SOURCES, TARGETS, expected_losses, run

LAST_RAM, LAST_FLASH = 0x2004_FFFF, 0x080F_FFFF


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_losses_are_those_of_numpy(target):
    done = run(target)
    assert done.status == 42
    np.testing.assert_allclose(np.frombuffer(done.output, np.float32), list(expected_losses()), rtol=1e-5)


def test_counts_are_exact_and_repeat():
    ten, again, thirty = (run(TARGET, f"STEPS={n}") for n in (10, 10, 30))
    assert (ten.instructions, ten.profile) == (again.instructions, again.profile)
    assert ten.profile["train_step"] * 3 == thirty.profile["train_step"]
    assert sum(ten.profile.values()) == ten.instructions


def test_checking_does_not_change_what_is_counted():
    assert run(TARGET, check=True).instructions == run(TARGET, check=False).instructions


def test_memory_is_accounted_for():
    small, large = run(TARGET), run(TARGET, "BIG=200000")
    weights = 4 * (20 * 48 + 48 + 20)
    assert weights <= small.firmware.use.bss <= weights + 16
    assert large.firmware.use.bss - small.firmware.use.bss == pytest.approx(200_000, abs=8)
    for done in (small, large):
        use = done.firmware.use
        assert use.data + use.bss < done.ram_used <= use.data + use.bss + done.stack_used
        assert use.flash == sum(len(content) for _, content in done.firmware.elf.segments)


def test_a_byte_too_many_does_not_link():
    exact = run(TARGET, "BIG=5000").firmware.use.ram
    assert run(replace(TARGET, sram=Memory(0x2000_0000, exact)), "BIG=5000").status == 42
    with pytest.raises(CompileError, match=f"needs 1 bytes more than the {exact - 1:,} bytes of RAM") as caught:
        run(replace(TARGET, sram=Memory(0x2000_0000, exact - 1)), "BIG=5000")
    assert caught.value.code == "GL340"
    assert "big 5,000" in str(caught.value)


def test_too_much_flash_does_not_link():
    with pytest.raises(CompileError, match="of flash that stm32f746 has") as caught:
        run(replace(TARGET, flash=Memory(0x0800_0000, 1024)))
    assert caught.value.code == "GL340"


@pytest.mark.parametrize("address", [0x2000_0000, LAST_RAM])
def test_all_of_the_ram_can_be_written(address):
    assert run(TARGET, f"AFTERWARDS=poke({address}u)").status == 42


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
        (0xE000_ED00, "no memory"),
        (0xFFFF_FFFF, "no memory"),
    ],
)
def test_nothing_else_can_be_written(address, why):
    with pytest.raises(CompileError, match=f"write of 1 bytes at {address:#010x}, .*{why}") as caught:
        run(TARGET, f"AFTERWARDS=poke({address}u)")
    assert caught.value.code == "GL342"
    assert "poke (sgd_step.c:" in caught.value.where
    assert "*(volatile char *)address = 1;" in caught.value.where


def test_a_memory_that_ends_within_a_page_has_no_byte_more():
    odd = replace(TARGET, sram=Memory(0x2000_0000, 10_000))
    assert run(odd, f"AFTERWARDS=poke({0x2000_0000 + 9_999}u)").status == 42
    with pytest.raises(CompileError, match="beyond the last byte of RAM at 0x2000270f"):
        run(odd, f"AFTERWARDS=poke({0x2000_0000 + 10_000}u)")


def test_reads_are_limited_too():
    assert run(TARGET, f"AFTERWARDS=float_at({LAST_FLASH - 3}u)").status == 42
    with pytest.raises(CompileError, match="read of 4 bytes at 0x20050000"):
        run(TARGET, f"AFTERWARDS=float_at({LAST_RAM + 1}u)")


def test_the_stack_cannot_overflow_unseen():
    fits = run(TARGET, "AFTERWARDS=use_stack(3000)")
    assert fits.status == 42
    assert 3000 < fits.stack_used < 4096
    with pytest.raises(CompileError, match="more than the 4,096 bytes") as caught:
        run(TARGET, "AFTERWARDS=use_stack(5000)")
    assert caught.value.code == "GL343"
    assert "use_stack" in caught.value.where or "memset" in caught.value.where
    assert run(TARGET, "AFTERWARDS=use_stack(5000)", stack_bytes=8192).stack_used > 5000


def test_a_float_must_be_aligned():
    assert run(TARGET, f"AFTERWARDS=float_at({LAST_RAM - 3}u)").status == 42
    with pytest.raises(CompileError, match="unaligned") as caught:
        run(TARGET, f"AFTERWARDS=float_at({LAST_RAM - 5}u)")
    assert "float_at (sgd_step.c:" in caught.value.where


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ('__asm__("udf#0")', "exception|Invalid instruction"),
        ("((void(*)(void))0x20000101)()", "execution of 2 bytes at 0x20000100, which is RAM and holds no code"),
        ("((void(*)(void))0x30000001)()", "execution of 2 bytes at 0x30000000, where there is no memory"),
        ("((void(*)(void))0x080f0001)()", "exception|Invalid instruction"),
    ],
)
def test_what_is_no_code_does_not_run(statement, why):
    with pytest.raises(CompileError, match=why) as caught:
        run(TARGET, f"AFTERWARDS={statement}")
    assert caught.value.code == "GL342"


def test_an_endless_loop_ends():
    with pytest.raises(CompileError, match="did not end within 1,000,000 instructions") as caught:
        run(TARGET, 'AFTERWARDS=for(;;)__asm__("")', limit=1_000_000)
    assert caught.value.code == "GL344"
    assert "main (sgd_step.c:" in caught.value.where


@pytest.fixture
def emulator():
    emulator = Emulator(build_firmware(SOURCES, TARGET))
    emulator.start()
    yield emulator
    emulator.close()


def test_functions_can_be_called_with_arguments(emulator):
    losses = [emulator.call(Job("train_step", [0.0625])) for _ in range(3)]
    expected = list(expected_losses(13))[10:]
    np.testing.assert_allclose([run.float for run in losses], expected, rtol=1e-4)
    assert len({run.instructions for run in losses}) == 1
    assert losses[0].status is None


def test_memory_can_be_read_and_written(emulator):
    weight, table = emulator.address("weight"), emulator.address("table")
    assert np.frombuffer(emulator.read(table, 16), np.float32).tolist() == [1, 2, 3, 4]
    zeros = Job("train_step", [0.0625], writes=[(weight, bytes(20 * 48 * 4))], reads=[(weight, 4)])
    runs = emulator.calls([zeros] * 100)
    np.testing.assert_allclose([run.float for run in runs], next(expected_losses()), rtol=1e-6)
    assert {len(run.reads[0]) for run in runs} == {4}


def test_c_that_does_not_compile_is_an_error_that_quotes_the_compiler():
    with pytest.raises(CompileError, match=r"sgd_step.c:\d+.*no_such_thing") as caught:
        run(TARGET, "AFTERWARDS=no_such_thing")
    assert caught.value.code == "GL341"


def test_a_function_that_nobody_has_is_an_error():
    source = "float besself(float x);\nint main(void) { return (int)besself(1.0f); }\n"
    with pytest.raises(CompileError, match="besself"):
        run_firmware({"main.c": source}, TARGET)


def test_arithmetic_without_hardware_is_there():
    source = "volatile double x = 2.5;\nint main(void) { return (int)(x * 4.0); }\n"
    assert run_firmware({"main.c": source}, TARGET).status == 10


def test_an_initial_value_is_in_flash_and_in_ram():
    source = "volatile int x[3] = {1, 2, 4};\nint main(void) { return x[0] + x[1] + x[2]; }\n"
    done = run_firmware({"main.c": source}, TARGET)
    assert done.status == 7
    assert done.firmware.use.data == 16


def test_a_host_takes_no_firmware():
    with pytest.raises(CompileError) as caught:
        run(HOST)
    assert caught.value.code == "GL346"

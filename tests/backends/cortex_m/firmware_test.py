"""Firmware is built and run without any tool of this machine."""

from dataclasses import replace

import numpy as np
import pytest

from gradlet.backends.tinyengine.cortex_m.firmware import run_firmware
from gradlet.ir.errors import CompileError
from gradlet.ir.target import Memory
from gradlet.targets.stm32f746 import TARGET
from gradlet.targets.x86_64 import TARGET as HOST
from gradlet.tests.backends.cortex_m.sgd_step import TARGETS, expected_losses, run


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


def test_c_that_does_not_compile_is_an_error_that_quotes_the_compiler():
    with pytest.raises(CompileError, match=r"sgd_step.c:\d+.*no_such_thing") as caught:
        run(TARGET, "STEPS=no_such_thing")
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

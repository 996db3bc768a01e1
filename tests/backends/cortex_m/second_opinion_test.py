"""gcc and QEMU agree with zig and unicorn, where they are installed."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from gradlet.backends.tinyengine.cortex_m.build import build_firmware
from gradlet.backends.tinyengine.cortex_m.emulator import Job
from gradlet.backends.tinyengine.cortex_m.qemu import has_qemu, on_board, run_in_qemu
from gradlet.backends.tinyengine.cortex_m.session import open_device
from gradlet.backends.tinyengine.cortex_m.toolchain import has_gcc
from gradlet.ir.errors import CompileError
from gradlet.targets.stm32f746 import TARGET
from gradlet.tests.backends.cortex_m.sgd_step import TARGETS, run, started
from gradlet.tests.backends.tinyengine.programs import TOOLBOX, batch, mlp

PLUGIN = Path(__file__).with_name("count_instructions.c")
needs_gcc = pytest.mark.skipif(not has_gcc(), reason="needs arm-none-eabi-gcc")
needs_qemu = pytest.mark.skipif(not has_qemu(), reason="needs qemu-system-arm")
needs_cc = pytest.mark.skipif(not shutil.which("cc"), reason="needs the C compiler of this machine")


@needs_qemu
@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_qemu_has_the_same_output(target):
    ours = run(on_board(target))
    assert run_in_qemu(ours.firmware) == (ours.status, ours.output)


@needs_qemu
@needs_cc
@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_qemu_counts_the_same(target, tmp_path):
    plugin, counted = tmp_path / "count.so", tmp_path / "count.txt"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", str(PLUGIN), "-o", str(plugin)], check=True)
    ours = run(on_board(target))
    run_in_qemu(ours.firmware, "-plugin", f"{plugin},out={counted}")
    assert int(counted.read_text()) == ours.instructions


@needs_qemu
def test_qemu_ends_an_endless_loop():
    firmware = build_firmware({"main.c": 'int main(void) { for (;;) __asm__(""); }'}, on_board(TARGET))
    with pytest.raises(CompileError) as caught:
        run_in_qemu(firmware, seconds=0.5)
    assert caught.value.code == "GL344"


@needs_gcc
@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_firmware_of_gcc_has_the_same_output(target):
    ours, theirs = run(target), run(target, compiler="gcc")
    assert theirs.status == ours.status
    np.testing.assert_allclose(
        np.frombuffer(theirs.output, np.float32), np.frombuffer(ours.output, np.float32), rtol=1e-6
    )


@needs_gcc
def test_a_fault_in_firmware_of_gcc_has_its_source_line():
    emulator = started(TARGET, "gcc")
    with pytest.raises(CompileError) as caught:
        emulator.call(Job("poke", [0]))
    emulator.close()
    assert "poke (sgd_step.c:" in caught.value.where
    assert "*(volatile char *)address = 1;" in caught.value.where


@needs_gcc
def test_what_does_not_fit_does_not_link_with_gcc():
    with pytest.raises(CompileError, match="more than the 327,680 bytes of RAM") as caught:
        run(TARGET, "BIG=330000", compiler="gcc")
    assert caught.value.code == "GL340"


@needs_gcc
def test_a_program_learns_the_same_with_gcc():
    ours, theirs = (open_device(mlp(), TARGET, TOOLBOX, compiler=name) for name in ("zig", "gcc"))
    for seed in range(3):
        losses = [session.train_step(batch(seed))["loss"] for session in (ours, theirs)]
        np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    learnt = [session.states()["head.weight"] for session in (ours, theirs)]
    np.testing.assert_allclose(learnt[1], learnt[0], rtol=1e-5, atol=1e-6)
    ours.close()
    theirs.close()

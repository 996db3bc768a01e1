"""The C compiler and the emulator of the wheels work: nothing else needs to be installed."""

import os
import subprocess
import sys

import unicorn
from unicorn import arm_const


def test_zig_writes_code_that_unicorn_runs(tmp_path):
    source, image = tmp_path / "seven.c", tmp_path / "seven.elf"
    source.write_text("int seven(int x) { return 7 * x; }\n")
    target = ["-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m7+fp_armv8d16sp"]
    options = ["-O2", "-fomit-frame-pointer", "-nostdlib", "-ffreestanding", "-fno-sanitize=all", "-Wl,-e,seven"]
    command = [sys.executable, "-m", "ziglang", "cc", *target, *options, str(source), "-o", str(image)]
    cache = {f"ZIG_{kind}_CACHE_DIR": str(tmp_path / "cache") for kind in ("LOCAL", "GLOBAL")}
    subprocess.run(command, check=True, env=os.environ | cache)
    elf = image.read_bytes()
    assert elf[:4] == b"\x7fELF"
    # rsb r0, r0, r0, lsl #3; bx lr: what `return 7 * x` is in Thumb-2.
    code = bytes.fromhex("c0ebc0007047")
    assert code in elf

    machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    machine.mem_map(0x1000, 0x1000)
    machine.mem_write(0x1000, code)
    machine.reg_write(arm_const.UC_ARM_REG_R0, 6)
    machine.emu_start(0x1001, 0x1004)
    assert machine.reg_read(arm_const.UC_ARM_REG_R0) == 42

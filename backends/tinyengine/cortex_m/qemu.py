"""The second opinion on what firmware does: QEMU, where `qemu-system-arm` is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gradlet.backends.tinyengine.cortex_m.build import Firmware
from gradlet.ir.errors import CompileError
from gradlet.ir.target import Memory, Target

# Boards with such a core. They have flash from address 0 and RAM from 0x20000000, four megabytes of each.
_BOARDS = {"cortex-m4": "mps2-an386", "cortex-m7": "mps2-an500"}


def has_qemu() -> bool:
    return shutil.which("qemu-system-arm") is not None


def on_board(target: Target) -> Target:
    """The target with its memories where QEMU's board has them."""
    assert target.sram is not None and target.flash is not None
    return replace(target, sram=Memory(0x2000_0000, target.sram.bytes), flash=Memory(0, target.flash.bytes))


def run_in_qemu(firmware: Firmware, *options: str, seconds: float = 60) -> tuple[int, bytes]:
    """Status and output of a firmware that was built for `on_board(target)`.

    Args:
        firmware: It ends with `board_exit`.
        *options: For QEMU, e.g. a plugin.
        seconds: After these QEMU is stopped.

    Raises:
        CompileError: GL344 no end in time; GL345 QEMU is not installed; GL346 it has no such device.
    """
    if not has_qemu():
        raise CompileError("GL345", "qemu-system-arm is not installed", hint="apt-get install qemu-system-arm")
    if firmware.target.cpu not in _BOARDS:
        what = f"no board of QEMU is known here that has a {firmware.target.cpu}"
        raise CompileError("GL346", what, hint=f"known are boards with {' and '.join(_BOARDS)}")
    with tempfile.TemporaryDirectory() as folder:
        kernel = Path(folder, "firmware.elf")
        kernel.write_bytes(firmware.image)
        command = _command(_BOARDS[firmware.target.cpu], kernel, options)
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            raise CompileError("GL344", f"QEMU did not end within {seconds} s", hint="give it more seconds") from None
    return done.returncode, done.stdout


def _command(board: str, kernel: Path, options: Sequence[str]) -> list[str]:
    quiet = ["-nographic", "-monitor", "none", "-serial", "none"]
    semihosting = ["-semihosting-config", "enable=on,target=native"]
    return ["qemu-system-arm", "-M", board, *quiet, *semihosting, "-kernel", str(kernel), *options]

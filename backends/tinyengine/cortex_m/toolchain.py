"""The C compilers: that of the ziglang package, so that nothing else needs to be installed, and gcc where it is."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gradlet.ir.errors import CompileError
from gradlet.ir.target import Target


@dataclass(frozen=True)
class FloatUnit:
    """A floating point unit in the words of the compilers."""

    zig: str
    gcc: str


# By feature of the target. clang takes a Cortex-M without one of these to have no floating point unit.
FLOAT_UNITS = {
    "fpv4-sp": FloatUnit("vfp4d16sp", "fpv4-sp-d16"),
    "fpv5-sp": FloatUnit("fp_armv8d16sp", "fpv5-sp-d16"),
    "fpv5-dp": FloatUnit("fp_armv8d16", "fpv5-d16"),
}


@cache
def cache_folder() -> Path:
    """A folder of this user's own for what the compiler makes once: HOME may be absent, as under Bazel."""
    folder = Path(tempfile.gettempdir(), f"gradlet-{getpass.getuser() if os.name == 'nt' else os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.name != "nt" and folder.stat().st_uid != os.getuid():
        return Path(tempfile.mkdtemp(prefix="gradlet-"))
    return folder


def zig_cc(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs `zig cc`; the caller looks at the return code."""
    folder = str(cache_folder() / "zig")
    env = {"ZIG_GLOBAL_CACHE_DIR": folder, "ZIG_LOCAL_CACHE_DIR": folder} | os.environ
    command = [sys.executable, "-m", "ziglang", "cc", *args]
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    if "No module named" in done.stderr:
        what = "the C compiler for microcontrollers is missing: Python package ziglang"
        raise CompileError("GL345", what, hint="pip install 'gradlet[mcu]'")
    return done


def gcc(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs `arm-none-eabi-gcc`."""
    if not has_gcc():
        raise CompileError("GL345", "arm-none-eabi-gcc is not installed", hint="leave it to zig, the default")
    return subprocess.run(["arm-none-eabi-gcc", *args], cwd=cwd, capture_output=True, text=True, check=False)


def has_gcc() -> bool:
    return shutil.which("arm-none-eabi-gcc") is not None


def float_unit(target: Target) -> FloatUnit | None:
    return next((unit for feature, unit in FLOAT_UNITS.items() if feature in target.features), None)


def zig_machine(target: Target) -> Sequence[str]:
    """The options that name the processor; with a floating point unit, floats are passed in its registers."""
    unit = float_unit(target)
    cpu = target.cpu.replace("-", "_") + (f"+{unit.zig}" if unit else "")
    return ["-target", f"thumb-freestanding-eabi{'hf' if unit else ''}", f"-mcpu={cpu}"]


def gcc_machine(target: Target) -> Sequence[str]:
    unit = float_unit(target)
    return ["-mthumb", f"-mcpu={target.cpu}", *([f"-mfpu={unit.gcc}", "-mfloat-abi=hard"] if unit else [])]

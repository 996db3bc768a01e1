"""The C compiler of this machine: the system's, or the one in the Python package ziglang."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gradlet.backends.tinyengine.cortex_m.toolchain import cache_folder
from gradlet.ir.errors import CompileError

LANGUAGE = ("-std=c11", "-ffp-contract=off")
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")


@dataclass(frozen=True)
class Compiler:
    """A command that understands the options of gcc."""

    command: tuple[str, ...]

    def run(self, *args: str, folder: Path) -> None:
        """Compiles what we wrote: an error is ours."""
        cache = str(cache_folder() / "zig")
        env = {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache} | os.environ
        done = subprocess.run([*self.command, *args], cwd=folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join([*self.command, *args])}\n{done.stderr}"


@cache
def find_compiler() -> Compiler:
    """The system's, else zig's; raises GL330 where there is neither."""
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            return Compiler((path,))
    if importlib.util.find_spec("ziglang"):
        # zig adds checks for undefined behaviour unless told otherwise.
        return Compiler((sys.executable, "-m", "ziglang", "cc", "-fno-sanitize=all"))
    raise CompileError("GL330", "this machine has no C compiler", hint="install gcc, or: pip install 'gradlet[mcu]'")


@dataclass(frozen=True)
class Build:
    """How to compile for this machine.

    Attributes:
        options: For the compiler besides the language, e.g. `-O0`, `-fsanitize=undefined`.
        compiler: None: the one that `find_compiler` finds.
    """

    options: Sequence[str] = ("-O2",)
    compiler: Compiler | None = None

    def library(self, files: Mapping[str, bytes]) -> bytes:
        """A shared library of all `.c` files; what was built before in this process is not built again."""
        compiler = self.compiler or find_compiler()
        key = _digest(files, (*compiler.command, *self.options))
        if key not in _LIBRARIES:
            _LIBRARIES[key] = self._link(files, compiler, "-shared")
        return _LIBRARIES[key]

    def executable(self, files: Mapping[str, bytes]) -> bytes:
        """A program of all `.c` files."""
        return self._link(files, self.compiler or find_compiler())

    def _link(self, files: Mapping[str, bytes], compiler: Compiler, *how: str) -> bytes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for file, text in files.items():
                (folder / file).write_bytes(text)
            sources = [file for file in files if file.endswith(".c")]
            flags = [*LANGUAGE, *self.options, "-fPIC"]
            jobs = [sources[k::_JOBS] for k in range(_JOBS) if sources[k::_JOBS]]
            with ThreadPoolExecutor(_JOBS) as pool:
                list(pool.map(lambda job: compiler.run(*flags, "-c", *job, folder=folder), jobs))
            objects = [file.removesuffix(".c") + ".o" for file in sources]
            compiler.run(*flags, *how, *objects, "-lm", "-o", "linked", folder=folder)
            return (folder / "linked").read_bytes()


_JOBS = os.cpu_count() or 1
# By digest of all that went in.
_LIBRARIES: dict[str, bytes] = {}


def _digest(files: Mapping[str, bytes], command: Sequence[str]) -> str:
    digest = hashlib.sha256(repr(command).encode())
    for name, text in sorted(files.items()):
        digest.update(f"{name} {len(text)};".encode() + text)
    return digest.hexdigest()

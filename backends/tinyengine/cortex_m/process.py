"""The process of the emulator: started, asked, and missed when it is gone."""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import select
import subprocess
import sys
import tempfile
import weakref
from functools import cache
from pathlib import Path
from typing import IO, Any

from gradlet.backends.tinyengine.cortex_m import toolchain
from gradlet.ir.errors import CompileError

_HERE = Path(__file__).parent
# For the emulator itself to hang; an endless loop in the firmware ends at the instruction limit.
SECONDS = 600


class Process:
    """machine.py at work; answers one request after the other."""

    def __init__(self, settings: dict[str, Any]):
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        # -P: the modules beside the program are not to be found under their own names.
        command = [sys.executable, "-P", str(_HERE / "machine.py")]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=1 << 16
        )
        self._stop = weakref.finalize(self, _end, self._child, self._errors)
        self._send(settings | {"hooks": str(_hooks())})

    @property
    def pid(self) -> int:
        return self._child.pid

    def ask(self, request: Any) -> Any:
        """The answer to a request.

        Raises:
            CompileError: GL344 no answer; GL345 unicorn is not installed; GL347 the process is gone.
        """
        self._send(request)
        stdout = self._child.stdout
        assert stdout is not None
        if not select.select([stdout], [], [], SECONDS)[0]:
            self.close()
            raise CompileError("GL344", f"the emulator did not answer within {SECONDS} s", hint="ask less of a call")
        try:
            return pickle.load(stdout)
        except (EOFError, pickle.UnpicklingError):
            raise self._gone() from None

    def close(self) -> None:
        self._stop()

    def _send(self, request: Any) -> None:
        stdin = self._child.stdin
        assert stdin is not None
        try:
            pickle.dump(request, stdin, protocol=pickle.HIGHEST_PROTOCOL)
            stdin.flush()
        except (OSError, ValueError):
            raise self._gone() from None

    def _gone(self) -> CompileError:
        if not self._stop.alive:
            return CompileError("GL347", "the emulator is closed", hint="open a new session")
        status, said = self._child.wait(), _content(self._errors)
        self.close()
        if "No module named 'unicorn'" in said:
            what = "the emulator is missing: Python package unicorn"
            return CompileError("GL345", what, hint="pip install 'gradlet[mcu]'")
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        what = f"the emulator's process ended {how}" + (f":\n{said}" if said else "")
        return CompileError("GL347", what, hint="try again; if it ends once more, report it with the program")


def _content(errors: IO[bytes]) -> str:
    errors.seek(0)
    return errors.read().decode(errors="replace").strip()[-2000:]


def _end(child: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout, errors):
        assert stream is not None
        with contextlib.suppress(BrokenPipeError):
            stream.close()


@cache
def _hooks() -> Path:
    """hooks.c as machine code of this computer, made once."""
    text = (_HERE / "hooks.c").read_bytes()
    library = toolchain.cache_folder() / f"hooks-{hashlib.sha256(text).hexdigest()[:16]}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=toolchain.cache_folder()) as folder:
            made = Path(folder, "hooks.so")
            options = ["-O2", "-nostdlib", "-fno-sanitize=all", "-shared", "-fPIC"]
            done = toolchain.zig_cc(*options, str(_HERE / "hooks.c"), "-o", str(made))
            assert made.exists(), done.stderr
            made.replace(library)
    return library

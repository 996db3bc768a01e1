"""A shared library in memory of its own: loading the same one again gives other variables."""

from __future__ import annotations

import _ctypes
import ctypes
import os
import tempfile


class Library:
    """Loaded code; closed by the last of its users."""

    def __init__(self, content: bytes, users: int = 1):
        # The loader knows a library by its file: each copy has variables of its own.
        handle, path = tempfile.mkstemp(suffix=".so")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            self.c = ctypes.CDLL(path)
        finally:
            os.unlink(path)
        self._users = users

    def close(self) -> None:
        self._users -= 1
        if self._users == 0:
            _ctypes.dlclose(self.c._handle)

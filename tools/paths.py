"""Paths on the command line are the user's, also where `bazel run` starts the program in a folder of its own."""

from __future__ import annotations

import os
import re
from pathlib import Path

from gradlet.ir.errors import CompileError

_UNITS = {"": 1, "B": 1, "KB": 1 << 10, "KIB": 1 << 10, "MB": 1 << 20, "MIB": 1 << 20}


def user_path(name: str | Path) -> Path:
    """A path relative to the folder that the user called from."""
    return Path(os.environ.get("BUILD_WORKING_DIRECTORY", ".")) / Path(name).expanduser()


def user_source(source: str) -> str:
    """A file, or `path.py:function`, as the user wrote it."""
    path, colon, function = source.rpartition(":")
    if colon and path.endswith(".py"):
        return f"{user_path(path)}:{function}"
    return str(user_path(source))


def parse_bytes(text: str) -> int:
    """`131072`, `128KB` (of 1024 bytes, as data sheets of memories count) or `1MB`."""
    match = re.fullmatch(r"(\d+)\s*([A-Za-z]*)", text.strip())
    if not match or match[2].upper() not in _UNITS:
        raise CompileError("GL401", f"{text!r} is no number of bytes", hint="write it like 131072, 128KB or 1MB")
    return int(match[1]) * _UNITS[match[2].upper()]

"""Takes the one pickle out of the zip file that torch.save has put round it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from gradlet.ir.errors import CompileError

# The largest of the published checkpoints takes 1 MB.
MAX_BYTES = 16 << 20
# Before zipfile makes an object of each: its entry in the directory begins with this signature.
_MEMBER, _MAX_MEMBERS = b"PK\1\2", 1000
_PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_HINT = "download the checkpoint anew"


def read_pickle(path: Path) -> bytes:
    """The bytes of `*/data.pkl` in a zip file.

    Raises:
        CompileError: GL101 if there is no such file, GL114 if it is no checkpoint, or a damaged one.
    """
    return unzipped(_content(path), str(path))


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise CompileError("GL101", f"{path} is no file", hint="paths are relative to the folder you are in")
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        hint = "check that it is yours to read"
        raise CompileError("GL101", f"{path} cannot be read: {error.strerror or error}", hint=hint) from error


def unzipped(data: bytes, where: str) -> bytes:
    """As `read_pickle`, from the bytes of the file."""
    if len(data) > MAX_BYTES:
        raise CompileError("GL114", f"the file is larger than {MAX_BYTES:,} bytes", where, _HINT)
    if data.count(_MEMBER) > _MAX_MEMBERS:
        raise CompileError("GL114", f"the zip file has more than {_MAX_MEMBERS:,} members", where, _HINT)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _member(archive, where)
    except CompileError:
        raise
    except Exception as error:  # zipfile, zlib and struct have errors of their own
        raise CompileError("GL114", f"the file is no checkpoint, or a damaged one: {error}", where, _HINT) from error


def _member(archive: zipfile.ZipFile, where: str) -> bytes:
    found = [info for info in archive.infolist() if info.filename.endswith("data.pkl")]
    if len(found) != 1:
        raise CompileError("GL114", f"the zip file has {len(found)} members data.pkl, not one", where, _HINT)
    (info,) = found
    if info.compress_type not in _PLAIN or info.file_size > MAX_BYTES:
        what = f"data.pkl has {info.file_size:,} bytes, packed in way {info.compress_type}: not what torch.save writes"
        raise CompileError("GL114", what, where, _HINT)
    with archive.open(info) as file:  # which checks the sum at the end
        data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES or file.read(1):
            raise CompileError("GL114", f"data.pkl is larger than {MAX_BYTES:,} bytes", where, _HINT)
        return data

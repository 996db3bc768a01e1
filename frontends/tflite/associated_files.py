"""The files that come with a TFLite model: a zip archive behind the flatbuffer, of which no byte is trusted."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field

from gradlet.ir.errors import CompileError

# What `gradlet compile --pack` packs: the program, which holds all weights, and what is known of it.
PLAN, REPORT = "training_plan.gradlet", "training_report.json"
MAX_FILES = 1000
# Of all files that are compressed; those that are not cannot be larger than the archive.
MAX_INFLATED = 64 << 20
_MAX_DIRECTORY = 1 << 20
_MAX_NAME = 255
_END, _END_BYTES = b"PK\5\6", 22
_LARGE, _LARGE_BYTES = b"PK\6\7", 20
_TIME = (1980, 1, 1, 0, 0, 0)  # so that the same files give the same bytes


@dataclass(frozen=True)
class AssociatedFiles:
    """The archive behind a model.

    Attributes:
        begin: Where it begins: the model is what lies before.
        entries: By name.
    """

    data: bytes = field(repr=False)
    begin: int
    entries: Mapping[str, zipfile.ZipInfo]

    @property
    def sizes(self) -> dict[str, int]:
        return {name: entry.file_size for name, entry in self.entries.items()}

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            CompileError: GL117 if it is damaged.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(self.data)) as archive:
                return archive.read(self.entries[name])
        except Exception as error:  # zipfile and zlib have errors of their own
            raise _damaged(f"{name}: {error}") from error


def read_files(data: bytes) -> AssociatedFiles:
    """The files that come with a model; none where no archive ends the file.

    Raises:
        CompileError: GL117 if the archive is damaged, GL118 if it holds what no model brings.
    """
    end = data[-_END_BYTES:]
    if len(end) < _END_BYTES or not end.startswith(_END) or any(end[-2:]):
        return AssociatedFiles(data, len(data), {})
    if data[-_END_BYTES - _LARGE_BYTES :].startswith(_LARGE) or int.from_bytes(end[12:16], "little") > _MAX_DIRECTORY:
        raise _inconsistent("they are too many")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries, begin = archive.infolist(), archive.start_dir
    except Exception as error:  # zipfile has several, and lets those of struct and of decoding through
        raise _damaged(str(error)) from error
    _check(entries, len(data))
    begin = min((entry.header_offset for entry in entries), default=begin)
    if begin < 0:
        raise _damaged("they begin before the file")
    return AssociatedFiles(data, begin, {entry.filename: entry for entry in entries})


def with_files(model: bytes, files: Mapping[str, bytes]) -> bytes:
    """A model (without files) and files, not compressed, so that they can be used where they lie."""
    if not files:
        return model
    out = io.BytesIO()
    out.write(model)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), content)
    return out.getvalue()


def _check(entries: list[zipfile.ZipInfo], size: int) -> None:
    if len(entries) > MAX_FILES:
        raise _inconsistent(f"there are {len(entries):,}, at most {MAX_FILES:,} are read")
    for entry in entries:
        name = entry.filename
        if not name.isprintable() or not 0 < len(name) <= _MAX_NAME or name in (".", "..") or set(name) & set("/\\:"):
            raise _inconsistent(f"{name[:_MAX_NAME]!r} is no name of a file")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.flag_bits & 1:
            raise _inconsistent(f"{name} is compressed or encrypted in a way that is not known")
    stored = sum(entry.file_size for entry in entries if entry.compress_type == zipfile.ZIP_STORED)
    inflated = sum(entry.file_size for entry in entries) - stored
    if stored > size or inflated > MAX_INFLATED:
        raise _inconsistent(f"they say that they hold {stored:,} bytes, and {inflated:,} that are compressed")


def _damaged(what: str) -> CompileError:
    hint = "download the model anew, or pack its files again"
    return CompileError("GL117", f"the files that come with the model are damaged: {what}", hint=hint)


def _inconsistent(what: str) -> CompileError:
    hint = "pack the files of the model again"
    return CompileError("GL118", f"the files that come with the model: {what}", hint=hint)

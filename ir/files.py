"""Programs on disk: one file, binary or text, and a memory-mapped one for big weights. Writing is all or nothing."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gradlet.ir.errors import CompileError
from gradlet.ir.op_def import OpSet
from gradlet.ir.program import Program

TEXT_SUFFIX = ".textproto"
# Above this the weights go to a file of their own.
INLINE_BYTES = 1 << 20


def save(program: Program, path: Path, ops: OpSet, inline_bytes: int = INLINE_BYTES) -> list[Path]:
    """Writes the program, as text if the name ends in `.textproto`; returns the files written, the program last."""
    from gradlet.ir import serialize

    states = {state.name: state.init for state in program.graph.states}
    beside = sum(array.nbytes for array in states.values()) > inline_bytes
    weights = path.with_name(path.name + ".safetensors") if beside else None
    name = weights.name if weights else ""
    text = path.name.endswith(TEXT_SUFFIX)
    data = serialize.to_text(program, ops, name).encode() if text else serialize.to_bytes(program, ops, name)
    if weights:
        write_weights(weights, states)
    write_bytes(path, data)
    return [weights, path] if weights else [path]


def load(path: Path, ops: OpSet) -> Program:
    """Reads what `save` wrote; the weights file is mapped, not read."""
    from gradlet.ir import serialize

    try:
        raw = path.read_bytes()
        data = raw.decode() if path.name.endswith(TEXT_SUFFIX) else raw
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise CompileError("GL007", f"{path} cannot be read: {why}", hint="check the path") from error
    try:
        name = serialize.weights_file_of(data)
        return serialize.from_bytes(data, ops, map_weights(path.with_name(Path(name).name)) if name else None)
    except CompileError as error:
        error.where = error.where or str(path)
        raise


def write_weights(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes named arrays as safetensors."""
    from safetensors.numpy import save_file

    with replacing(path) as part:
        # numpy gives a scalar an axis, which it has not.
        save_file({name: np.ascontiguousarray(a).reshape(a.shape) for name, a in arrays.items()}, part)


def map_weights(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, each mapped where it lies.

    Raises:
        CompileError: GL006 if the file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as checked:  # refuses every bad header: offsets, sizes, overlaps
            names = list(checked.keys())
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
        return {name: _mapped(path, header[name], 8 + length) for name in names}
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        hint = "keep the weights file with its program"
        raise CompileError("GL006", f"{path} cannot be read: {error}", hint=hint) from error


def _mapped(path: Path, entry: Mapping[str, Any], start: int) -> np.ndarray:
    from gradlet.ir.tensor_type import DType

    dtype = DType.B1.numpy if entry["dtype"] == "BOOL" else DType[entry["dtype"]].numpy
    shape = tuple(entry["shape"])
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", offset=start + entry["data_offsets"][0], shape=shape)


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a whole file or nothing."""
    with replacing(path) as part:
        part.write_bytes(data)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write, which takes the place of `path` at the end; after an error `path` is what it was."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise CompileError("GL007", f"{path} cannot be written: {error}", hint="choose another folder") from error
    part = Path(name)
    try:
        yield part
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        raise CompileError("GL007", f"{path} cannot be written: {error}", hint="free some space") from error
    finally:
        part.unlink(missing_ok=True)

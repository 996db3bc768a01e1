"""A training that was interrupted, on disk: what has changed, and how far it has come."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradlet.ir import files
from gradlet.ir.errors import CompileError
from gradlet.ir.graph import Value, written_states
from gradlet.ir.printer import print_graph
from gradlet.ir.program import Program
from gradlet.tools.datasets import Dataset
from gradlet.tools.training import History

# The file: magic; CRC-32 of what follows; length of the header; header, JSON; arrays one after the other.
_MAGIC = b"GLRUN001"
_NUMBER = struct.Struct("<I")
_HISTORY = ("losses", "hits")
_Type = tuple[np.dtype[Any], tuple[int, ...]]
_OTHER = "delete it to begin anew, or name another file with --checkpoint"


@dataclass(frozen=True)
class Checkpoint:
    """All that a later run needs.

    Attributes:
        identity: What must be the same for it to be the same run; see `identify`.
        states: Those that training changes: parameters, moments, accumulators, counters.
        history: Steps taken. The samples of the next follow from their number and the settings.
        progress: Evaluations so far, as JSON has them.
    """

    identity: Mapping[str, Any]
    states: Mapping[str, np.ndarray]
    history: History
    progress: Mapping[str, Any]


def identify(program: Program, data: Dataset, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a run is known by: checksums of the program and of the (fitted) samples, and each setting."""
    inits = zlib.crc32(print_graph(program.graph).encode())
    for state in program.graph.states:
        inits = _crc(state.init, inits)
    samples = 0
    for split in (data.train, data.test):
        samples = _crc(split.targets, _crc(split.inputs, samples))
    return {"program": f"{program.name} {inits:08x}", "data set": f"{samples:08x}", **settings}


def save(checkpoint: Checkpoint, program: Program, path: Path) -> None:
    """Writes the file or leaves the one that is there.

    Raises:
        CompileError: GL007 if there is no space.
    """
    arrays = [np.ascontiguousarray(checkpoint.states[v.name]) for v in _changing(program)]
    header = {"identity": checkpoint.identity, "progress": checkpoint.progress}
    header["history"] = {name: len(getattr(checkpoint.history, name)) for name in _HISTORY}
    text = json.dumps(header).encode()
    # A loss is a float32 wherever it comes from: nothing is lost.
    steps = [np.array(checkpoint.history.losses, "<f4"), np.array(checkpoint.history.hits, "<i4")]
    body = b"".join([_NUMBER.pack(len(text)), text, *(a.tobytes() for a in [*steps, *arrays])])
    files.write_bytes(path, _MAGIC + _NUMBER.pack(zlib.crc32(body)) + body)


def load(path: Path, program: Program, identity: Mapping[str, Any]) -> Checkpoint:
    """Reads what `save` wrote.

    Raises:
        CompileError: GL414 if the file is damaged or no checkpoint, GL415 if it is that of another run.
    """
    header, body = _open(path)
    for key in sorted({*identity, *header["identity"]}):
        here, there = identity.get(key), header["identity"].get(key)
        if here != there:
            what = f"{path} is the checkpoint of another run: {key} {there} there, {here} here"
            raise CompileError("GL415", what, where=str(path), hint=_OTHER)
    counts = header["history"]
    types: list[_Type] = [(np.dtype("<f4"), (counts["losses"],)), (np.dtype("<i4"), (counts["hits"],))]
    types += [(v.type.dtype.numpy, v.type.shape) for v in _changing(program)]
    losses, hits, *arrays = _cut(body, types)
    states = {v.name: array for v, array in zip(_changing(program), arrays, strict=True)}
    history = History(list(map(float, losses)), list(map(int, hits)))
    return Checkpoint(header["identity"], states, history, header["progress"])


def _open(path: Path) -> tuple[dict[str, Any], bytes]:
    """The header and the arrays of a file that is whole."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CompileError("GL414", f"{path} cannot be read: {error.strerror}", where=str(path), hint=_OTHER) from error
    if not data.startswith(_MAGIC):
        raise CompileError("GL414", f"{path} is no checkpoint", where=str(path), hint=_OTHER)
    start = len(_MAGIC) + _NUMBER.size
    checksum, body = data[len(_MAGIC) : start], data[start:]
    if checksum != _NUMBER.pack(zlib.crc32(body)) or len(body) < _NUMBER.size:
        raise CompileError("GL414", f"{path} is damaged: its checksum is wrong", where=str(path), hint=_OTHER)
    end = _NUMBER.size + _NUMBER.unpack_from(body)[0]
    return json.loads(body[_NUMBER.size : end]), body[end:]


def _cut(body: bytes, types: Iterable[_Type]) -> list[np.ndarray]:
    found, start = [], 0
    for dtype, shape in types:
        count = int(np.prod(shape))
        found.append(np.frombuffer(body, dtype, count, start).reshape(shape).copy())
        start += count * dtype.itemsize
    assert start == len(body), "a checkpoint of the same program holds the same states"
    return found


def _changing(program: Program) -> list[Value]:
    changed = written_states(program.graph)
    return [state.value for state in program.graph.states if state.value in changed]


def _crc(array: np.ndarray, before: int) -> int:
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, before)
